/* lending: the protocol by which reactors serve each other's shards, for the model checker spin.
 * README.md tells what is in it, what is left out, and how to read a counterexample.
 *
 * A run begins with these, which check.py writes in front:
 *   N           reactors, 2 or 3; each owns the shard of its number
 *   SENDS(a,b)  reactor a's client asks for keys of shard b, up to BATCH (1 or 2) at a time
 *   OWN(a)      it asks for keys of shard a itself
 *   TURNS(a)    how often it asks
 *   LIVE        for the properties of liveness: where ENDLESS(a), it asks as soon as it can, again
 *               and again
 *   POLLS(a)    it never sleeps
 *   SOLE        some requests are for the owner's own thread alone
 *   PLANS       some requests leave something that the owner has to wake up for later
 *   DIRECT      a request may be executed at once, without a message, if its shard is free
 *   BUSY        a reactor may have more to do, and enter its engine without having freed its shard
 *   PARTS       who serves may leave some for another time, or for the shard's own reactor
 *   STALE       who looks at a ring may see an older head
 * and perhaps with one FAULT_…, which spin must find.
 *
 * Each access to what threads share is a step of its own. Where several of C's are one here, it is
 * said why.
 */

#ifndef POLLS
#define POLLS(a) 0
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* how often a shard is borrowed once more for what its rings hold then */
#endif
#define CAPACITY BATCH /* messages that a ring holds */
#define COUNTERS (2 * BATCH) /* tails and heads are counted modulo this */

/* enum lending_state */
#define HELD 0
#define FREE 1
#define LENT 2
#define LENT_WANTED 3
#define WANTED 4

/* What a request is. */
#define PLAIN 0
#define FOR_OWNER 1 /* for the owner's own thread alone */
#define FIRST_TTL 2 /* leaves something to wake up for */

#define PAIR(origin, owner) ((origin) * N + (owner))
#define SLOT(pair, count) ((pair) * CAPACITY + (count) % CAPACITY)
#define WAITING(o, s) ((o) < N && (s) < N && tail[PAIR(o, s)] != head[PAIR(o, s)])
#define REPLIES(o, s) ((reply_tail[PAIR(o, s)] + COUNTERS - reply_head[PAIR(o, s)]) % COUNTERS)

/* The pairs that a run uses: at most two origins of a shard, and two owners for an origin; N when
 * there is none. */
#define LINKED(a, b) ((a) < N && (b) < N && (a) != (b) && SENDS(a, b))
#define NEXT_ORIGIN(o, s) ((o) < 1 && LINKED(1, s) -> 1 : ((o) < 2 && LINKED(2, s) -> 2 : N))
#define FIRST_ORIGIN(s) (LINKED(0, s) -> 0 : NEXT_ORIGIN(0, s))
#define SECOND_ORIGIN(s) NEXT_ORIGIN(FIRST_ORIGIN(s), s)
#define NEXT_OWNER(o, s) ((s) < 1 && LINKED(o, 1) -> 1 : ((s) < 2 && LINKED(o, 2) -> 2 : N))
#define FIRST_OWNER(o) (LINKED(o, 0) -> 0 : NEXT_OWNER(o, 0))
#define SECOND_OWNER(o) NEXT_OWNER(o, FIRST_OWNER(o))
#define IS_USED(s) (OWN(s) || FIRST_ORIGIN(s) < N)

/* The step `access` for one ring, or for one after the other. */
#define FOR_RINGS(access, first, second) \
    if \
    :: atomic { (second) == N -> access(first) } \
    :: atomic { (second) != N -> access(first) }; \
        access(second) \
    fi

/* Shared: struct lending, struct mesh_port, struct ring, and a wake's completion in the engine. */
byte word[N] = HELD;
bool sleeping[N];
bool event[N];
byte tail[N * N], head[N * N], reply_tail[N * N], reply_head[N * N];
byte kind[N * N * CAPACITY];

/* Of who has the shard: struct keyspace. */
bool due[N];     /* there is something to wake up for */
bool planned[N]; /* and the shard's reactor sleeps no longer than that */

/* What is asserted, or belongs to one reactor; no other reactor looks at it. */
byte holder[N];    /* 1 + who has the shard */
byte out[N * N];   /* requests without their reply */
byte done[N * N];  /* requests executed */
bool wants[N];     /* its reactor has found its shard lent */
bool mine[N];      /* a request for a key of its own waits until its reactor has the shard */
bool timed[N];     /* its sleep will end in time for what its keys need */
byte left[N];      /* how often its client will ask */

#define OUT(i, s) ((s) < N && out[PAIR(i, s)] > 0)
#define IDLE(i) (!mine[i] && !OUT(i, 0) && !OUT(i, 1) && !OUT(i, 2))

#ifdef FAULT_TAIL_BUFFERED
byte later_tail[N * N];
#endif
#ifdef FAULT_FREE_BUFFERED
bool later_free[N];
#endif
#ifdef FAULT_SLEEPING_BUFFERED
bool later_sleeping[N];
#endif

inline enter_shard(s) {
    assert(holder[s] == 0); /* no two holders */
    holder[s] = i + 1
}

inline leave_shard(s) {
    assert(holder[s] == i + 1);
    holder[s] = 0
}

/* mesh_claim_wake() and io_wake(). Its load before the exchange only saves the exchange; and that
 * the kernel is told later is as if the sleeper, or its spurious turn, ran later. */
inline claim_wake(r) {
    atomic {
        if
        :: sleeping[r] -> sleeping[r] = false; event[r] = true
        :: else
        fi
    }
}

/* lending_take_or_want(): the try that fails changes nothing; and after the mark on a shard that is
 * not lent, which is as good as held for all others, nobody else changes the word. */
inline take_or_want() {
#if defined(FAULT_NO_WANT) || defined(FAULT_WANT_BY_TRIES)
    do
    ::  atomic {
            if
            :: word[i] == FREE || word[i] == WANTED -> word[i] = HELD; held = true; enter_shard(i)
            :: else
            fi;
            wants[i] = !held
        }
        if
        :: held -> break
        :: else
        fi;
#ifdef FAULT_NO_WANT
        break
#else
        atomic {
            if
            :: word[i] == LENT -> word[i] = LENT_WANTED; break
            :: word[i] == LENT_WANTED -> break
            :: else
            fi
        }
#endif
    od
#else
    atomic {
#ifdef FAULT_FREE_BUFFERED
        word[i] = (later_free[i] -> FREE : word[i]);
        later_free[i] = false;
#endif
        if
        :: word[i] == FREE || word[i] == WANTED -> word[i] = HELD; held = true; enter_shard(i)
        :: else -> assert(word[i] != HELD); word[i] = LENT_WANTED
        fi;
        wants[i] = !held
    }
#endif
}

/* ring_pop() of the ring o->shard, execute_message(), mesh_send_reply(): the tail is loaded once,
 * and all else is of who has the shard; but for the head, at which others look: see STALE. */
inline execute_ring(o) {
    atomic {
        if
        :: o < N ->
            n = head[PAIR(o, shard)];
            do
            :: n == tail[PAIR(o, shard)] -> break
#ifndef FAULT_SERVES_FOR_OWNER
            :: n != tail[PAIR(o, shard)] && kind[SLOT(PAIR(o, shard), n)] == FOR_OWNER && i != shard ->
                asks = true;
                break
#endif
#ifdef PARTS
            :: n != head[PAIR(o, shard)] -> asks = asks || i != shard; break /* the end of a batch */
            :: n != head[PAIR(o, shard)] -> break
#endif
            :: else ->
                assert(holder[shard] == i + 1);
                assert(done[PAIR(o, shard)] == n); /* in order, each once */
                assert(kind[SLOT(PAIR(o, shard), n)] != FOR_OWNER || i == shard);
                due[shard] = due[shard] || kind[SLOT(PAIR(o, shard), n)] == FIRST_TTL;
                kind[SLOT(PAIR(o, shard), n)] = PLAIN;
                n = (n + 1) % COUNTERS;
                done[PAIR(o, shard)] = n
            od;
            head[PAIR(o, shard)] = n;
            n = 0
        :: else
        fi
    }
}

/* ring_publish() of the replies */
inline publish_replies(o) {
    atomic {
        if
        :: o < N && reply_tail[PAIR(o, shard)] != head[PAIR(o, shard)] ->
            assert(holder[shard] == i + 1);
            reply_tail[PAIR(o, shard)] = head[PAIR(o, shard)];
            wakes = wakes | (POLLS(o) -> 0 : 1 << o)
        :: else
        fi
    }
}

/* exchange_serve_peers() */
inline serve_peers() {
    FOR_RINGS(execute_ring, FIRST_ORIGIN(shard), SECOND_ORIGIN(shard))
}

/* lend_serve(): it ends early when the shard is wanted. */
inline serve_borrowed() {
    execute_ring(FIRST_ORIGIN(shard));
#ifndef FAULT_REPLIES_LATE
    publish_replies(FIRST_ORIGIN(shard));
#endif
#if N > 2
    if
    :: SECOND_ORIGIN(shard) < N && word[shard] == LENT ->
        execute_ring(SECOND_ORIGIN(shard));
#ifndef FAULT_REPLIES_LATE
        publish_replies(SECOND_ORIGIN(shard))
#endif
    :: else
    fi
#endif
}

inline wake_origins() {
    do
    :: atomic { wakes & 1 -> wakes = wakes & 6; claim_wake(0) }
    :: atomic { wakes & 2 -> wakes = wakes & 5; claim_wake(1) }
#if N > 2
    :: atomic { wakes & 4 -> wakes = wakes & 3; claim_wake(2) }
#endif
    :: wakes == 0 -> break
    od
}

/* ring_is_empty() */
inline look_at_ring(o) {
#ifdef STALE
    if
    :: any = any || WAITING(o, shard)
    :: any = true
    fi
#else
    any = any || WAITING(o, shard)
#endif
}

inline look() {
    FOR_RINGS(look_at_ring, FIRST_ORIGIN(shard), SECOND_ORIGIN(shard))
}

/* lending_return(), lending_return_wanted(): what it returns as is decided by one access. */
inline give_back() {
    atomic {
        leave_shard(shard);
        if
        :: asks -> word[shard] = WANTED
#ifdef FAULT_RETURN_FORGETS_WANTED
        :: else -> word[shard] = FREE
#else
        :: !asks && word[shard] == LENT -> word[shard] = FREE
        :: !asks && word[shard] == LENT_WANTED -> word[shard] = WANTED; asks = true
#endif
        fi
    }
}

/* lend_serve_other() */
inline lend() {
    do
    ::  atomic {
            if
#ifdef FAULT_BORROWS_WANTED
            :: (word[shard] == FREE || word[shard] == WANTED) && !asks ->
                word[shard] = LENT; enter_shard(shard)
#else
            :: word[shard] == FREE && !asks -> word[shard] = LENT; enter_shard(shard)
#endif
#ifdef FAULT_BORROWS_IN_TWO
            :: word[shard] == FREE && !asks -> torn = true
#endif
            :: else -> break
            fi
        }
#ifdef FAULT_BORROWS_IN_TWO
        if
        :: torn -> atomic { torn = false; word[shard] = LENT; enter_shard(shard) }
        :: else
        fi;
#endif
        if
        :: rounds <= ROUNDS -> serve_borrowed()
        :: else -> asks = true /* lend_leave_to_owner() */
        fi;
#ifndef FAULT_PLAN_FORGOTTEN
#ifndef FAULT_PLAN_WAKES_ONLY
        asks = asks || (due[shard] && !planned[shard]);
#endif
#endif
#ifdef FAULT_WAKES_FIRST
        if
        :: asks || word[shard] == LENT_WANTED -> claim_wake(shard)
        :: else
        fi;
#endif
        give_back();
#ifdef FAULT_REPLIES_LATE
        FOR_RINGS(publish_replies, FIRST_ORIGIN(shard), SECOND_ORIGIN(shard));
#endif
#ifdef FAULT_WAKES_ITSELF_ONLY
        wakes = 0;
#endif
        wake_origins();
#ifdef FAULT_PLAN_WAKES_ONLY
        if
        :: due[shard] && !planned[shard] -> claim_wake(shard)
        :: else
        fi;
#endif
        if
        :: asks ->
#ifndef FAULT_WAKES_FIRST
#ifndef FAULT_NO_WAKE
            claim_wake(shard)
#endif
#endif
            skip
        :: else ->
#ifndef FAULT_NO_LOOK_AFTER_RETURN
            look()
#endif
            skip
        fi;
        if
#ifdef FAULT_ROUNDS_END_FREE
        :: any && rounds < ROUNDS -> any = false; rounds++
#else
        :: any -> any = false; rounds++
#endif
        :: else -> break
        fi
    od;
    atomic { rounds = 0; asks = false; any = false; shard = i }
}

/* batch_run() with lend_borrow() and lend_return_all(): a request of its client for a shard that is
 * free, where no message of its own is out. What the rings hold is not touched, but looked at when
 * the shard has been returned. */
inline run_direct(t) {
    atomic {
        if
        :: word[t] == FREE -> word[t] = LENT; shard = t; enter_shard(t)
        :: else
        fi
    }
    if
    :: shard != i ->
        atomic {
            assert(holder[shard] == i + 1);
            if
            :: true
#ifdef PLANS
            :: due[shard] = true
#endif
            fi
        }
        asks = due[shard] && !planned[shard];
        give_back();
        if
        :: asks -> claim_wake(shard)
        :: else
        fi;
        asks = false;
#ifndef FAULT_NO_LOOK_AFTER_DIRECT
        look();
#endif
        if
        :: any -> any = false; lend()
        :: else -> shard = i
        fi
    :: else
    fi
}

/* shard_leave() */
inline leave() {
    atomic {
        planned[i] = due[i]; timed[i] = due[i];
        leave_shard(i); held = false;
#ifdef FAULT_FREE_BUFFERED
        later_free[i] = true
#else
        word[i] = FREE
#endif
    }
}

inline push_kind(t, k) {
    kind[SLOT(PAIR(i, t), tail[PAIR(i, t)] + k)] = PLAIN;
    if
    :: true
#ifdef SOLE
    :: kind[SLOT(PAIR(i, t), tail[PAIR(i, t)] + k)] = FOR_OWNER
#endif
#ifdef PLANS
    :: kind[SLOT(PAIR(i, t), tail[PAIR(i, t)] + k)] = FIRST_TTL
#endif
    fi
}

/* mesh_send_request(): nothing of it is visible yet. */
inline push(t) {
    push_kind(t, 0);
    pushed = 1;
    if
    :: true
#if BATCH > 1
    :: push_kind(t, 1); pushed = 2
#endif
    fi;
    out[PAIR(i, t)] = pushed;
    target = t
}

/* exchange_collect_replies() */
inline collect(s) {
    atomic {
        if
        :: s < N ->
            assert(out[PAIR(i, s)] >= REPLIES(i, s));
            out[PAIR(i, s)] = out[PAIR(i, s)] - REPLIES(i, s);
            reply_head[PAIR(i, s)] = reply_tail[PAIR(i, s)]
        :: else
        fi
    }
}

inline look_for_replies(s) {
    stay = stay || (s < N && REPLIES(i, s) != 0)
}

proctype reactor(byte i) {
    bool held = true, asks, any, stay, torn;
    byte shard = i, target, n, pushed, rounds, wakes;

    do
        /* The shard is taken behind the completions, or before them where they need it: for this
         * that makes no difference, since nothing of the completions is in here. */
    ::  if
        :: FIRST_OWNER(i) < N -> FOR_RINGS(collect, FIRST_OWNER(i), SECOND_OWNER(i))
        :: else
        fi;
        if
        :: !held -> take_or_want()
        :: else
        fi;
        if
        :: held && FIRST_ORIGIN(i) < N -> serve_peers()
        :: else
        fi;

        /* reactor_run_requests(): in its own shard they run at once, if it has that. */
        atomic {
            if
            :: IDLE(i) && left[i] > 0 ->
#ifdef LIVE
                left[i] = left[i] - !ENDLESS(i);
#else
                left[i]--;
#endif
                if
                :: OWN(i) -> mine[i] = true
                :: LINKED(i, 0) -> push(0)
                :: LINKED(i, 1) -> push(1)
                :: LINKED(i, 2) -> push(2)
                fi
#ifdef LIVE
            :: !IDLE(i) || left[i] == 0 || !ENDLESS(i)
#else
            :: true
#endif
            fi;
            mine[i] = mine[i] && !held
        }
#ifdef DIRECT
        if
        :: IDLE(i) && LINKED(i, 0) -> run_direct(0)
        :: IDLE(i) && LINKED(i, 1) -> run_direct(1)
        :: true
        fi;
#endif
        if
        :: pushed > 0 ->
            atomic { /* mesh_publish_requests() */
#ifdef FAULT_TAIL_BUFFERED
                later_tail[PAIR(i, target)] = pushed;
#else
                tail[PAIR(i, target)] = (tail[PAIR(i, target)] + pushed) % COUNTERS;
#endif
                pushed = 0; target = 0
            }
        :: else
        fi;

        /* lend_serve_others(), mesh_request_waits() */
        if
        :: WAITING(i, FIRST_OWNER(i)) -> shard = FIRST_OWNER(i); lend()
        :: else
        fi;
#if N > 2
        if
        :: WAITING(i, SECOND_OWNER(i)) -> shard = SECOND_OWNER(i); lend()
        :: else
        fi;
#endif
        if
        :: !held -> take_or_want(); mine[i] = mine[i] && !held
        :: else
        fi;

        /* mesh_publish(), shard_leave() */
        if
        :: held && IS_USED(i) ->
            FOR_RINGS(publish_replies, FIRST_ORIGIN(i), SECOND_ORIGIN(i));
            wake_origins();
#ifdef FAULT_NO_LOOK_AFTER_FREE
            look(); stay = any; any = false;
#endif
#ifdef BUSY
            if
            :: true -> stay = true
            :: leave()
            fi
#else
            leave()
#endif
        :: else
        fi;

        /* mesh_may_sleep(), mesh_has_work(): the flag, then all that could have come. */
        if
        :: !stay && !POLLS(i) ->
#ifndef FAULT_SLEEPING_LATE
#ifdef FAULT_SLEEPING_BUFFERED
            later_sleeping[i] = true;
#else
            sleeping[i] = true;
#endif
#endif
            if
            :: FIRST_OWNER(i) < N -> FOR_RINGS(look_for_replies, FIRST_OWNER(i), SECOND_OWNER(i))
            :: else
            fi;
            if
            :: IS_USED(i) ->
#ifndef FAULT_NO_LOOK_AT_WORD
                stay = stay || word[i] == WANTED;
#endif
#ifndef FAULT_NO_LOOK_AFTER_FREE
                look();
#endif
                atomic {
                    stay = stay || (any && word[i] != LENT && word[i] != LENT_WANTED);
                    any = false
                }
            :: else
            fi;
#ifdef FAULT_SLEEPING_LATE
            sleeping[i] = true
#endif
        :: else
        fi;

        /* io_enter() */
        if
        :: POLLS(i) -> stay = false
        :: stay && !POLLS(i) -> event[i] = false; stay = false
        :: else ->
end_sleep:
            atomic {
                if
                :: event[i] -> event[i] = false
                :: IDLE(i) && left[i] > 0
                fi
            }
        fi;
#ifdef FAULT_SLEEPING_BUFFERED
        atomic { sleeping[i] = false; later_sleeping[i] = false }
#else
        if
        :: POLLS(i)
        :: else -> sleeping[i] = false
        fi
#endif
    od
}

/* A store that is not sequentially consistent may become visible behind later loads. */
#ifdef FAULT_TAIL_BUFFERED
proctype store_buffer(byte pair) {
end_empty:
    do
    :: atomic { later_tail[pair] > 0 ->
            tail[pair] = (tail[pair] + later_tail[pair]) % COUNTERS; later_tail[pair] = 0 }
    od
}
#endif
#ifdef FAULT_FREE_BUFFERED
proctype store_buffer(byte i) {
end_empty:
    do
    :: atomic { later_free[i] -> later_free[i] = false; word[i] = FREE }
    od
}
#endif
#ifdef FAULT_SLEEPING_BUFFERED
proctype store_buffer(byte i) {
end_empty:
    do
    :: atomic { later_sleeping[i] -> later_sleeping[i] = false; sleeping[i] = true }
    od
}
#endif

#define IS_QUIET(i) (IDLE(i) && (!due[i] || timed[i]) && (word[i] == FREE || !IS_USED(i)))

init {
    atomic {
        holder[0] = 1; left[0] = TURNS(0); run reactor(0);
        holder[1] = 2; left[1] = TURNS(1); run reactor(1);
#if N > 2
        holder[2] = 3; left[2] = TURNS(2); run reactor(2);
#endif
#ifdef FAULT_TAIL_BUFFERED
        run store_buffer(PAIR(0, 1)); run store_buffer(PAIR(1, 0))
#else
#if defined(FAULT_FREE_BUFFERED) || defined(FAULT_SLEEPING_BUFFERED)
        run store_buffer(0); run store_buffer(1)
#endif
#endif
    }
#ifndef LIVE
    /* When nothing can happen any more, nothing may be left to do: no wake was lost. */
    timeout ->
        assert(IS_QUIET(0));
        assert(IS_QUIET(1));
#if N > 2
        assert(IS_QUIET(2))
#endif
#endif
}

#ifdef LIVE
/* Nobody starves who wants his shard, or a reply. */
ltl owner { [] (wants[0] || mine[0] -> <> (!wants[0] && !mine[0])) }
ltl reply { [] (out[PAIR(1, 0)] > 0 -> <> (out[PAIR(1, 0)] == 0)) }
#endif
