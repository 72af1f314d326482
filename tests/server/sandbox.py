"""System calls that this process, and all that it starts, may make: for tests that run under a container's list.

  sandbox.py docker COMMAND…   Docker's default list of system calls
  sandbox.py eperm COMMAND…    all but io_uring's, which are forbidden (EPERM)
  sandbox.py enosys COMMAND…   all but io_uring's, which are hidden (ENOSYS)

server.py enters what the variable SANDBOX names, so that a test of the suite runs under it with all its servers.
"""
import ctypes
import errno
import os
import sys

ALLOW = 0x7fff0000
ERRNO = 0x00050000  # with the number of the error
NOT_EQUAL, EQUAL, MASKED_EQUAL = 1, 4, 7  # how an argument is compared

# What Docker's default profile allows without further capabilities, as its documentation has it (2025: without
# io_uring, which it had until version 24), of x86-64 and arm64. By what they are for.
DOCKER = {
    'files': '''access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
                fadvise64 fallocate fchdir fchmod fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock
                fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr
                ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir
                mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv
                preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename
                renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync
                sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write
                writev''',
    'events': '''epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
                 epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1
                 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit poll ppoll
                 pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_settime''',
    'sockets': '''accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
                  sendmmsg sendmsg sendto setsockopt shutdown socketpair''',
    'memory': '''brk madvise membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mprotect mremap
                 msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease
                 remap_file_pages''',
    'processes': '''arch_prctl capget capset execve execveat exit exit_group fork futex futex_waitv get_robust_list
                    get_thread_area getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid
                    getpriority getrandom getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get
                    ioprio_set landlock_add_rule landlock_create_ruleset landlock_restrict_self modify_ldt
                    pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace rseq
                    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
                    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
                    sched_setscheduler sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid
                    setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit
                    setsid setuid sysinfo times uname vfork wait4 waitid''',
    'signals': '''alarm kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
                  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack tgkill tkill''',
    'clocks': '''adjtimex clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep
                 setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_settime''',
    'System V and POSIX': '''mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget
                             msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget''',
}
AF_VSOCK = 40
PERSONALITIES = 0, 8, 0x20000, 0x20008, 0xffffffff
CLONE_NAMESPACES = 0x7e020000  # each flag of clone(2) that makes one
URING = 'io_uring_setup', 'io_uring_enter', 'io_uring_register'


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of libseccomp."""
    _fields_ = ('argument', ctypes.c_uint), ('how', ctypes.c_int), ('one', ctypes.c_uint64), ('other', ctypes.c_uint64)


class Filter:
    """A filter of libseccomp, which Debian's package manager depends on, so that it is everywhere."""

    def __init__(self, otherwise):
        self.library = ctypes.CDLL('libseccomp.so.2', use_errno=True)
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action, name, *comparison):
        """Names that this library or processor doesn't have are passed over."""
        number = self.library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        rules = (Comparison * 1)(Comparison(*comparison)) if comparison else None
        self.check(self.library.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number,
                                                       1 if comparison else 0, rules))

    def load(self):
        self.check(self.library.seccomp_load(self.context))

    @staticmethod
    def check(result):
        if result != 0:
            raise OSError(-result, 'libseccomp: ' + os.strerror(-result))


def docker():
    rules = Filter(ERRNO | errno.EPERM)
    for names in DOCKER.values():
        for name in names.split():
            rules.add(ALLOW, name)
    rules.add(ALLOW, 'socket', 0, NOT_EQUAL, AF_VSOCK, 0)
    for value in PERSONALITIES:
        rules.add(ALLOW, 'personality', 0, EQUAL, value, 0)
    rules.add(ALLOW, 'clone', 0, MASKED_EQUAL, CLONE_NAMESPACES, 0)
    rules.add(ERRNO | errno.ENOSYS, 'clone3')
    return rules


def without_uring(error):
    rules = Filter(ALLOW)
    for name in URING:
        rules.add(ERRNO | error, name)
    return rules


def enter(name):
    """From now on, for this process and what it starts."""
    {'docker': docker,
     'eperm': lambda: without_uring(errno.EPERM),
     'enosys': lambda: without_uring(errno.ENOSYS)}[name]().load()


if __name__ == '__main__':
    enter(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
