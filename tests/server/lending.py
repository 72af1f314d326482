"""Reactors that serve the keys of others while these are in the kernel: what is counted, and that a
reactor which gets no processor keeps nobody waiting."""
import os
import subprocess
import sys
import threading
import time
import unittest

import server

KEYS = 400
COUNTERS = 'mesh_requests', 'lent_requests', 'lend_refused', 'lend_wanted', 'reactor_wakes_sent'

# With another reactor's keys served at once this takes a few hundredths of a second. Waiting for a
# reactor that gets no processor takes many times as long.
SECONDS_MAX = server.TIMEOUT_S / 2


def counters(client):
    """Those of this file. Asking sends a message to each other reactor."""
    client.send(b'stats\r\n')
    found = {}
    while (line := client.read_line().decode().split()) != ['END']:
        found[line[1]] = line[2]
    return {name: int(found[name]) for name in COUNTERS}


def ask_for_all(client, keys=KEYS):
    for number in range(keys):
        if client.ask(b'get k%d\r\n' % number) != b'VALUE k%d 0 1\r\n' % number:
            raise AssertionError('k%d is not there' % number)
        if client.read(3 + 5) != b'v\r\nEND\r\n':
            raise AssertionError('k%d has another value' % number)


def store_all(client, keys=KEYS):
    for number in range(keys):
        if client.ask(b'set k%d 0 0 1\r\nv\r\n' % number) != b'STORED\r\n':
            raise AssertionError('k%d is not stored' % number)


@unittest.skipIf(server.ORIGINAL, 'it has no reactors')
class Counters(server.ServerTest):
    def gained(self, cores, work):
        under_test = self.start(cores=cores)
        with under_test.connect() as client:
            before = counters(client)
            work(client)
            after = counters(client)
        return {name: after[name] - before[name] for name in COUNTERS}

    def test_one_core_has_nobody_to_lend_to(self):
        self.assertEqual(set(self.gained(1, store_all).values()), {0})

    def test_sleeping_reactors_are_not_woken(self):
        """All others sleep, and their keys are served at once."""
        for cores in (2, 5):
            for _ in range(20):
                gained = self.gained(cores, store_all)
                asked = cores - 1  # by stats
                # A reactor may be awake for a moment, and kept from its processor then.
                others = gained['mesh_requests'] - asked - gained['lent_requests']
                self.assertLessEqual(0, others)
                self.assertLessEqual(others, gained['lend_refused'])
                if gained['lent_requests'] > KEYS // 3 and gained['reactor_wakes_sent'] < KEYS // 10:
                    break
            else:
                self.fail('they are woken: %s' % gained)

    def test_what_concerns_a_reactor_wakes_it(self):
        def change_settings(client):
            for _ in range(50):
                client.ask(b'verbosity 0\r\n')
        for _ in range(20):  # on one processor the next request may be there before the reactor can sleep
            gained = self.gained(2, change_settings)
            self.assertEqual(gained['lent_requests'], 0)
            self.assertEqual(gained['mesh_requests'], 50 + 1)
            if gained['reactor_wakes_sent'] > 25:
                return
        self.fail('it is not woken: %s' % gained)

    def test_both_at_work(self):
        """Two clients, one on each reactor, ask until each has found keys in use."""
        under_test = self.start(flags=('-o', 'no_conn_moves'), cores=2)
        with under_test.connect() as first, under_test.connect() as second:
            store_all(first)
            ends = threading.Event()

            def ask():
                while not ends.is_set():
                    ask_for_all(second)
            other = server.Thread(target=ask)
            other.start()
            try:
                deadline = time.monotonic() + server.TIMEOUT_S
                while counters(first)['lend_refused'] == 0 and time.monotonic() < deadline:
                    ask_for_all(first)
            finally:
                ends.set()
                other.join()
            self.assertGreater(counters(first)['lend_refused'], 0)

    def test_reset(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            store_all(client)
            client.ask(b'stats reset\r\n')
            self.assertEqual(counters(client)['lent_requests'], 0)


@unittest.skipIf(server.ORIGINAL, 'it has no reactors')
@unittest.skipIf(len(os.sched_getaffinity(0)) < 2, 'there is one processor')
class Starving(server.ServerTest):
    """One reactor gets what another process leaves of a processor, which is nothing."""

    def setUp(self):
        cpus = sorted(os.sched_getaffinity(0))
        self.taken, self.left = {cpus[0]}, set(cpus[1:])

    def take_processor(self):
        busy = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
        self.addCleanup(busy.wait)
        self.addCleanup(busy.kill)
        os.sched_setaffinity(busy.pid, self.taken)

    def starve(self, under_test, serving):
        """All threads but that of the connection's reactor."""
        threads = sorted(int(name) for name in os.listdir('/proc/%d/task' % under_test.pid))
        for thread in threads:
            if thread != serving:
                os.sched_setaffinity(thread, self.taken)
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
            else:
                os.sched_setaffinity(thread, self.left)

    @staticmethod
    def processor_time_ns(pid, thread):
        with open('/proc/%d/task/%d/schedstat' % (pid, thread)) as file:
            return int(file.read().split()[0])

    def serving_thread(self, under_test, client):
        """The one that works while this client asks."""
        names = os.listdir('/proc/%d/task' % under_test.pid)
        before = {int(name): self.processor_time_ns(under_test.pid, int(name)) for name in names}
        ask_for_all(client)
        return max(before, key=lambda thread:
                   self.processor_time_ns(under_test.pid, thread) - before[thread])

    def test_its_keys_are_served(self):
        for command in (ask_for_all, store_all):
            under_test = self.start(cores=2, flags=('-o', 'no_conn_moves'))
            with under_test.connect() as client:
                store_all(client)
                self.starve(under_test, self.serving_thread(under_test, client))
                self.take_processor()
                began = time.monotonic()
                command(client)
                self.assertLess(time.monotonic() - began, SECONDS_MAX)

    def test_multigets(self):
        under_test = self.start(cores=2, flags=('-o', 'no_conn_moves'))
        with under_test.connect() as client:
            store_all(client)
            self.starve(under_test, self.serving_thread(under_test, client))
            self.take_processor()
            began = time.monotonic()
            get = b'get %s\r\n' % b' '.join(b'k%d' % number for number in range(KEYS))
            for _ in range(20):
                client.send(get)
                lines = 0
                while client.read_line() != b'END\r\n':
                    lines += 1
                self.assertEqual(lines, 2 * KEYS)
            self.assertLess(time.monotonic() - began, SECONDS_MAX)


if __name__ == '__main__':
    server.main()
