/* versions: the word by which reactors know that their copies of an item are up to date, for the
 * model checker spin. README.md tells what is in it, and how to read a counterexample.
 *
 * A run begins with these, which check.py writes in front:
 *   READERS   reactors that ask for the key, and keep a copy of it
 *   READS     how often each asks
 *   CHANGES   how often something is done to the key's slot by others: a change of the key, or of
 *             another key in the slot; or the store drops it
 * and perhaps with one FAULT_…, which spin must find.
 *
 * Who has the shard is told by lending.pml; here it is one bit. What is done to the key is counted:
 * a copy has the count that it is of, and so has an answer.
 */

/* Of struct versions: bit 0, shared; the rest counts. */
byte word;
/* The shard, and what belongs to its keys. */
bool held;
byte level;

/* What is asserted: the latest count that anybody has been told of. */
byte told;

/* The request that a reactor has sent to the owner: 0 none, 1 a get, 2 a set, 3 executed. */
byte asked[READERS];
byte got[READERS];
byte got_word[READERS];

#define MOST(a, b) ((a) > (b) -> (a) : (b))

#ifdef FAULT_MOVE_BUFFERED
bool later;
#endif

inline take() {
    atomic { !held -> held = true }
}

inline leave() {
    held = false
}

/* versions_move(): nobody else stores. */
inline move() {
#ifdef FAULT_NO_COUNT
    word = 0
#else
    if
    :: (word & 1) != 0 ->
#ifdef FAULT_MOVE_BUFFERED
        later = true
#else
        word = word + 1
#endif
    :: else
    fi
#endif
}

/* versions_share() */
inline share() {
    if
    :: (word & 1) == 0 -> word = word + 1
    :: else
    fi
}

/* A command that changes the key; the store that drops it, before anybody is told. */
inline change() {
#if !defined(FAULT_NO_MOVE) && !defined(FAULT_MOVES_LATE)
    move();
#endif
    level = level + 1
}

proctype changer() {
    byte n, mine;
    do
    :: n < CHANGES ->
        n++;
        take();
        change();
        mine = level;
        if /* it is answered before the shard is left, or behind that */
        :: atomic { told = MOST(told, mine) }; leave()
        :: leave(); atomic { told = MOST(told, mine) }
        fi;
#ifdef FAULT_MOVES_LATE
        move()
#endif
    :: else -> break
    od
}

/* execute_for_keys() of a request of reactor i, by whoever has the shard, with share_copy(). */
proctype owner(byte i) {
end_idle:
    do
    :: asked[i] == 1 || asked[i] == 2 ->
        take();
        if
        :: asked[i] == 2 -> change()
        :: else
        fi;
        got[i] = level;
#if defined(FAULT_SHARES_LATE)
        got_word[i] = word | 1;
        leave();
        share();
#elif defined(FAULT_WORD_LATE)
        leave();
        share();
        got_word[i] = word;
#else
        share();
        got_word[i] = word;
        leave();
#endif
        asked[i] = 3
    od
}

inline answer(count) {
    atomic {
        assert(count >= floor); /* nobody sees what is older than what anybody was told before */
        assert(count >= last);  /* nor than an earlier answer on the connection */
        told = MOST(told, count);
        last = count
    }
}

/* copied_run(): the word is loaded, then the answer is written. Else, or when there is something to
 * tell the owner, the request goes there. */
inline look() {
#ifdef FAULT_LOOKS_EARLY
    fresh = early && copy_word != 0
#else
    fresh = copy_word != 0 && word == copy_word
#endif
}

inline send(kind) {
    asked[i] = kind
}

/* shard_keep_copy() */
inline receive() {
    atomic {
        asked[i] == 3;
        asked[i] = 0;
        copy = got[i];
        copy_word = got_word[i]
    }
}

proctype reader(byte i) {
    byte n, copy, copy_word, floor, last, second;
    bool fresh, early, overtook;
    do
    :: n < READS ->
        early = copy_word != 0 && word == copy_word;
        atomic { n++; floor = told } /* the client sends its request */
        look();
        if
        :: fresh -> answer(copy)
        :: true -> /* a get, or a set, goes to the owner; the next get comes behind it */
            if
            :: send(1)
            :: send(2)
            fi;
#ifdef FAULT_OVERTAKES
            look();
            if
            :: fresh -> overtook = true; second = copy
            :: true
            fi;
#endif
            receive();
            answer(copy);
#ifdef FAULT_OVERTAKES
            if
            :: overtook -> overtook = false; answer(second)
            :: else
            fi
#endif
        fi
    :: else -> break
    od
}

#ifdef FAULT_MOVE_BUFFERED
/* A store that releases nothing may become visible behind the answer. */
proctype store_buffer() {
end_empty:
    do
    :: atomic { later -> later = false; word = word + 1 }
    od
}
#endif

init {
    atomic {
        run changer();
        run owner(0); run reader(0);
#if READERS > 1
        run owner(1); run reader(1);
#endif
#if READERS > 2
        run owner(2); run reader(2);
#endif
#ifdef FAULT_MOVE_BUFFERED
        run store_buffer()
#endif
    }
}
