"""Protocols in C, each with the mistakes that can be planted in it; see python_programs.py."""
from c_base import C
from program import MARK, SLOW, Protocols, indent, workers

PROTOCOLS = Protocols()
protocol = PROTOCOLS.protocol


def blame_workers(p, *accept, who, culprits, **more):
    if p.processes:
        p.blame(*accept, stuck=["main", *who], culprits=culprits, **more)
    else:
        p.blame(*accept, stuck=["main"], culprits=["main"], **more)


@protocol(crossed="lock_order_cycle", twice="self_deadlock", joined_below="lock_held_while_waiting")
def accounts(p):
    """Parties that hold two locks at a time."""
    rng, n = p.rng, p.names
    p.choose("thread", "thread", "fork")
    kind = p.lock_kind()
    if p.slip == "twice":
        kind = "mutex"  # glibc finds the others out
    count = rng.randint(2, 4)
    type_name = "pthread_rwlock_t" if kind == "rwlock" else "pthread_mutex_t"
    locks, number = n.things(), n.pick(["n", "number", "me"])
    setup = p.share(f"{type_name} {locks}[{count}];")
    p.act(*setup)
    for i in range(count):
        p.act(*p.init(kind, f"&{p.at(locks)}[{i}]"))
    low, high = n.thing(), n.thing()
    take = p.names.pick(["lock_it", "enter", "claim", "acquire_one", "seize"])

    def locked(name, body, waits=True):
        lock, unlock = p.lock(kind, name)
        return [p.stand("", lock, [(f"{type_name} *", name)]) if waits else lock + ";"] + body + [unlock + ";"]
    me, you = number, f"({number} + 1) % {count}"
    if p.slip == "crossed":
        first, second = me, you
    else:
        first, second = f"({me} < {you} ? {me} : {you})", f"({me} < {you} ? {you} : {me})"
    body = [f"{type_name} *{low} = &{p.at(locks)}[{first}];", f"{type_name} *{high} = &{p.at(locks)}[{second}];"]
    inner = [SLOW, f"usleep(100);"]
    if p.slip == "twice":
        helper = n.verb()
        p.function(f"static void {helper}({type_name} *{low})", locked(low, ["usleep(10);"]))
        inner = [f"if ({number} == 0)", f"    {helper}({low});"] + inner
    body += locked(low, ["usleep(200000);"] + locked(high, inner), waits=p.slip != "crossed")
    if p.slip == "joined-below":
        lock, unlock = p.lock(kind, f"&{p.at(locks)}[0]")
        p.act(lock + ";")
        p.act(*p.parties(n.verb(), count, body, number))
        p.act(unlock + ";")
        blame_workers(p, "lock-held-while-waiting", who=workers(count), culprits=["main"])
        return
    p.act(*p.parties(n.verb(), count, body, number))
    if p.slip == "crossed":
        blame_workers(p, "lock-order-cycle", who=workers(count), culprits=workers(count))
    elif p.slip == "twice":
        blame_workers(p, "self-deadlock", who=workers(count), culprits=["w0"])


@protocol(dies_inside="dead_lock_owner")
def visitors(p):
    """Processes take turns below a lock: a mutex in shared memory, a sem_t, a System V semaphore."""
    rng, n = p.rng, p.names
    p.how = "fork"
    kind = rng.choice(["mutex", "sem_t", "sysv"])
    count = rng.randint(2, 4)
    name, number = n.place(), n.pick(["n", "number", "me"])
    if kind == "mutex":
        p.act(*p.share(f"pthread_mutex_t {name};"))
        p.act(*p.init("mutex", f"&{p.at(name)}"))
        lock, unlock, kinds = f"pthread_mutex_lock(&{p.at(name)})", f"pthread_mutex_unlock(&{p.at(name)})", "pthread_mutex_t *"
    elif kind == "sem_t":
        p.act(*p.share(f"sem_t {name};"))
        p.act(f"sem_init(&{p.at(name)}, 1, 1);")
        lock, unlock, kinds = f"sem_wait(&{p.at(name)})", f"sem_post(&{p.at(name)})", "sem_t *"
    else:
        p.globals.append(f"static int {name};")
        p.act(f"{name} = semget(IPC_PRIVATE, 1, 0600);", f'role("-s", {name});', f"semctl({name}, 0, SETVAL, 1);")
        lock = f"semop({name}, &(struct sembuf){{0, -1, 0}}, 1)"
        unlock = f"semop({name}, &(struct sembuf){{0, 1, 0}}, 1)"
        kinds = "int"
    actual = name if kind == "sysv" else f"&{p.at(name)}"
    inner = [SLOW, "usleep(100);"]
    if p.slip:
        inner = [f"if ({number} == 0)", "    " + rng.choice(["_exit(1);", "kill(getpid(), SIGKILL);", "abort();", "exit(2);"])] + inner
    body = ([f"usleep(150000 * ({number} > 0));"] if p.slip else []) + [p.stand("", lock, [(kinds, actual)])] + inner + [unlock + ";"]
    p.act(*p.parties(n.verb(), count, body, number))
    if kind == "sysv":
        p.act(f"semctl({name}, 0, IPC_RMID);")
    if p.slip:
        p.blame("dead-lock-owner", stuck=["main", *workers(count - 1, 1)], culprits=["w0"])


@protocol(held_at_fork="lock_held_across_fork")
def fork_beside_thread(p):
    """A thread works below a mutex while the main thread forks."""
    rng, n = p.rng, p.names
    lock, busy, ready = n.place(), n.verb(), n.thing()
    p.globals += [f"static pthread_mutex_t {lock} = PTHREAD_MUTEX_INITIALIZER;", f"static sem_t {ready};"]
    held = [f"sem_post(&{ready});", "usleep(400000);"]
    inside = held if p.slip else ["usleep(10);"]
    p.function(f"static void *{busy}(void *unused)", [f"pthread_mutex_lock(&{lock});"] + inside + [f"pthread_mutex_unlock(&{lock});"] +
               ([] if p.slip else held) + ["return unused;"])
    p.act(f"sem_init(&{ready}, 0, 0);", "pthread_t side;", f"pthread_create(&side, NULL, {busy}, NULL);", f"sem_wait(&{ready});")
    body = [p.stand("", f"pthread_mutex_lock(&{lock})", [("pthread_mutex_t *", f"&{lock}")]), SLOW, f"pthread_mutex_unlock(&{lock});"]
    pid = p.spawn(n.verb(), "", "", body, "w0")
    p.act(p.reap(pid), "pthread_join(side, NULL);")
    if p.slip:
        p.blame("lock-held-across-fork", stuck=["main", "w0"], culprits=["main", "w0"])


CHANNELS = {"pipe": "pipe({})", "socketpair": "socketpair(AF_UNIX, SOCK_STREAM, 0, {})"}


@protocol(parent_keeps="unclosed_write_end", reader_keeps="unclosed_write_end", sibling_keeps="unclosed_write_end",
          reader_dies="unclosed_read_end")
def until_end(p):
    """A child reads a pipe or a socket until its end."""
    rng, n = p.rng, p.names
    ends, buffer, fd = n.things(), n.place(), n.thing()
    make = CHANNELS[rng.choice(list(CHANNELS))].format(ends)
    p.globals.append(f"static int {ends}[2];")
    p.act(f"if ({make} < 0)", "    return 1;")
    p.how = "fork"
    if p.slip == "sibling-keeps":
        p.globals.append("static int stops[2];")
        p.act("if (pipe(stops) < 0)", "    return 1;")
        other = p.spawn(n.verb(), "", "", [f'role("w1", {ends}[1]);', "close(stops[1]);", "char stop;",
                                           p.stand("", "read(stops[0], &stop, 1)", [("char *", "&stop")])], "")
    size = rng.choice([64, 512, 4096])
    expression = f"read({fd}, {buffer}, {size})"
    if rng.often(0.4) and p.slip != "reader-dies":
        stream = n.thing()
        loop = [f'FILE *{stream} = fdopen({ends}[0], "r");', f"char {buffer}[{size}];",
                f"while (fgets({buffer}, {size}, {stream}) != NULL)" + MARK, f"    usleep(1);", SLOW]
    else:
        loop = [f"char {buffer}[{size}];", f"int {fd} = {ends}[0];",
                "while ({} > 0){}".format(*p.call(expression, [("int", fd), ("char *", buffer)])), "    usleep(1);", SLOW]
    if p.slip == "reader-dies":
        loop = [f"char {buffer}[{size}];", f"read({ends}[0], {buffer}, {size});", rng.choice(["_exit(1);", "return;", "abort();"])]
    keep = f'role("w0", {ends}[1]);' if p.slip == "reader-keeps" else f"close({ends}[1]);"
    pid = p.spawn(n.verb(), "", "", [keep] + (["close(stops[1]);", "close(stops[0]);"] if p.slip == "sibling-keeps" else []) + loop, "w0")
    p.act("signal(SIGPIPE, SIG_IGN);") if rng.often(0.3) else None
    p.act(f'role("main", {ends}[0]);' if p.slip == "reader-dies" else f"close({ends}[0]);")
    times = rng.randint(2, 9) if p.slip != "reader-dies" else 900
    text = "a line\\n" if p.slip != "reader-dies" else "x" * 600
    p.act(f"for (int i = 0; i < {times}; i++)",
          "    " + p.stand("", f'write({ends}[1], "{text}", {len(text.replace(chr(92) + "n", "n"))})', []), SLOW)
    wait = p.reap(pid)
    if p.slip == "parent-keeps":
        p.act(f'role("main", {ends}[1]);', wait, f"close({ends}[1]);")
    else:
        p.act(f"close({ends}[1]);", wait)
    if p.slip == "sibling-keeps":
        p.act("close(stops[1]);", f"waitpid({other}, NULL, 0);")
    if p.slip == "reader-dies":
        p.blame("unclosed-read-end", stuck=["main"], culprits=["main"], fd_of="main")
    elif p.slip:
        who = {"parent-keeps": "main", "reader-keeps": "w0", "sibling-keeps": "w1"}[p.slip]
        p.blame("unclosed-write-end", stuck=["main", "w0"] + (["w1"] if who == "w1" else []), culprits=[who], fd_of=who)


@protocol(both_wait="mutual_receive", no_flush="mutual_receive", both_flood="full_buffer_cycle")
def dialogue(p):
    """Question and answer over two pipes or one pair of sockets."""
    rng, n = p.rng, p.names
    p.how = "fork"
    kind = rng.choice(["pipes", "socketpair", "streams"]) if not p.slip else "streams" if p.slip == "no-flush" else \
        rng.choice(["pipes", "socketpair"])
    rounds = rng.randint(3, 9)
    there, back = n.things(), n.things()
    if kind == "socketpair":
        p.globals.append(f"static int {there}[2];")
        p.act(f"if (socketpair(AF_UNIX, SOCK_STREAM, 0, {there}) < 0)", "    return 1;")
        mine, its = (f"{there}[0]", f"{there}[0]"), (f"{there}[1]", f"{there}[1]")
        keep, drop = f"close({there}[0]);", f"close({there}[1]);"
    else:
        p.globals += [f"static int {there}[2], {back}[2];"]
        p.act(f"if (pipe({there}) < 0 || pipe({back}) < 0)", "    return 1;")
        mine, its = (f"{back}[0]", f"{there}[1]"), (f"{there}[0]", f"{back}[1]")
        keep, drop = f"close({there}[1]), close({back}[0]);", f"close({there}[0]), close({back}[1]);"
    size = 600_000 if p.slip == "both-flood" else rng.choice([1, 8, 64])
    buffer, got = n.place(), n.thing()
    p.globals.append(f"static char {buffer}[{size}];")

    def hear(ends):
        return p.stand(f"", f"read({ends[0]}, {buffer}, {size})", [("int", ends[0]), ("char *", buffer)])

    def say(ends):
        return p.stand(f"", f"write({ends[1]}, {buffer}, {size})", [("int", ends[1]), ("char *", buffer)], words=["send_it", "put_out", "emit_to", "ship", "say_it"])
    if kind == "streams":
        line = n.place()
        def talk(ends, lazy, asks):
            r, w = n.thing(), n.thing()
            open_lines = [f'FILE *{r} = fdopen({ends[0]}, "r"), *{w} = fdopen({ends[1]}, "w");', f"char {line}[80];"]
            hear_line = f"fgets({line}, sizeof {line}, {r})"
            say_lines = [f'fprintf({w}, "%d\\n", {rng.randint(1, 9)});'] + ([] if lazy else [f"fflush({w});"])
            if asks:
                return open_lines + [f"for (int i = 0; i < {rounds}; i++) {{"] + indent(say_lines + [hear_line + ";" + MARK]) + ["}", f"fclose({w});"]
            return open_lines + [f"while ({hear_line} != NULL) {{" + MARK] + indent([SLOW] + say_lines) + ["}"]
        lazy_server = rng.often()
        pid = p.spawn(n.verb(), "", "", [keep] + talk(its, p.slip == "no-flush" and lazy_server, False), "w0")
        p.act(drop, *talk(mine, p.slip == "no-flush" and not lazy_server, True), p.reap(pid))
        if p.slip:
            p.blame("mutual-receive", stuck=["main", "w0"], culprits=["w0" if lazy_server else "main"])
        return
    if p.slip == "both-flood":
        loop = [f"for (int i = 0; i < {rounds}; i++) {{", "    " + say(its), "    " + hear(its), "}"]
    else:
        loop = [f"for (int i = 0; i < {rounds}; i++) {{", "    " + hear(its), "    " + SLOW, "    " + say(its), "}"]
    pid = p.spawn(n.verb(), "", "", [keep] + loop, "w0")
    turn = [hear(mine), say(mine)] if p.slip == "both-wait" else [say(mine), hear(mine)]
    p.act(drop, f"for (int i = 0; i < {rounds}; i++) {{", *indent(turn), "}", p.reap(pid))
    if p.slip == "both-wait":
        p.blame("mutual-receive", stuck=["main", "w0"], culprits=["main", "w0"])
    elif p.slip:
        p.blame("full-buffer-cycle", stuck=["main", "w0"], culprits=["main", "w0"])


@protocol(wait_first="join_before_drain", stopped="stopped_process")
def results(p):
    """A child delivers much through a pipe, and the parent takes it."""
    rng, n = p.rng, p.names
    p.how = "fork"
    ends, buffer = n.things(), n.place()
    p.globals += [f"static int {ends}[2];", f"static char {buffer}[4096];"]
    p.act(f"if (pipe({ends}) < 0)", "    return 1;")
    body = [f"close({ends}[0]);"] + (["raise(SIGSTOP);"] if p.slip == "stopped" else []) + [SLOW, "for (int i = 0; i < 64; i++)", "    " + p.stand(
        "", f"write({ends}[1], {buffer}, sizeof {buffer})", [])]
    pid = p.spawn(n.verb(), "", "", body, "w0")
    drain = [f"while (read({ends}[0], {buffer}, sizeof {buffer}) > 0)" + MARK, "    ;"]
    wait = p.reap(pid)
    p.act(f"close({ends}[1]);", *([wait] + drain if p.slip == "wait-first" else drain + [wait]))
    if p.slip == "wait-first":
        p.blame("join-before-drain", "full-buffer-cycle", stuck=["main", "w0"], culprits=["main"])
    elif p.slip:
        p.blame("stopped-process", stuck=["main", "w0"], culprits=["w0"], verdict="stuck")


@protocol(too_few="missing_party", uneven="missing_party", one_leaves="missing_party")
def rounds(p):
    """Parties meet at a barrier."""
    rng, n = p.rng, p.names
    p.choose("thread", "thread", "fork")
    count, laps = rng.randint(2, 4), rng.randint(2, 4)
    gate, number = n.place(), n.pick(["n", "number", "me"])
    p.act(*p.share(f"pthread_barrier_t {gate};"))
    parties = count + (p.slip == "too-few")
    if p.processes:
        p.act("pthread_barrierattr_t kind;", "pthread_barrierattr_init(&kind);",
              "pthread_barrierattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);", f"pthread_barrier_init(&{p.at(gate)}, &kind, {parties});")
    else:
        p.act(f"pthread_barrier_init(&{gate}, NULL, {parties});")
    times = f"{laps} - ({number} == 0)" if p.slip == "uneven" else str(laps)
    leave = [f"    if ({number} == 0 && lap == 1)", "        " + ("_exit(1);" if p.processes else "return NULL;")] if p.slip == "one-leaves" else []
    body = [f"for (int lap = 0; lap < {times}; lap++) {{"] + leave + ["    " + SLOW,
            "    " + p.stand("", f"pthread_barrier_wait(&{p.at(gate)})", [("pthread_barrier_t *", f"&{p.at(gate)}")]), "}"]
    p.act(*p.parties(n.verb(), count, body, number))
    if p.slip == "too-few":
        blame_workers(p, "missing-party", who=workers(count), culprits=["main"])
    elif p.slip:
        blame_workers(p, "missing-party", "lost-worker", who=workers(count, 0), culprits=["w0"])


@protocol(early_notify="missed_wakeup", never_posted="missed_wakeup", not_shared="unshared_primitive")
def start_signal(p):
    """Parties wait for a condition, a semaphore or an eventfd."""
    rng, n = p.rng, p.names
    p.choose("fork") if p.slip == "not-shared" else p.choose("thread", "thread", "fork")
    kind = {"early-notify": "cond"}.get(p.slip) or rng.choice(["cond", "sem", "eventfd"] if p.slip != "not-shared" else ["sem"])
    count, number, flag, other, ready = rng.randint(1, 3), n.pick(["n", "number", "me"]), n.place(), n.place(), n.thing()
    if p.slip == "not-shared":
        p.globals.append(f"static sem_t {flag};")
        p.act(f"sem_init(&{flag}, 0, 0);")
        wait = [p.stand("", f"sem_wait(&{flag})", [("sem_t *", f"&{flag}")])]
        says = [f"for (int i = 0; i < {count}; i++)", f"    sem_post(&{flag});"]
    elif kind == "cond":
        p.act(*p.share(f"pthread_mutex_t {other};", f"pthread_cond_t {flag};", f"int {ready};"))
        p.act(*p.init("mutex", f"&{p.at(other)}"))
        if p.processes:
            p.act("pthread_condattr_t common;", "pthread_condattr_init(&common);",
                  "pthread_condattr_setpshared(&common, PTHREAD_PROCESS_SHARED);", f"pthread_cond_init(&{p.at(flag)}, &common);")
        else:
            p.act(f"pthread_cond_init(&{flag}, NULL);")
        line = p.stand("", f"pthread_cond_wait(&{p.at(flag)}, &{p.at(other)})", [("pthread_cond_t *", f"&{p.at(flag)}"), ("pthread_mutex_t *", f"&{p.at(other)}")])
        check = [] if p.slip == "early-notify" else [f"while (!{p.at(ready)})"]
        wait = [f"pthread_mutex_lock(&{p.at(other)});"] + check + ["    " * len(check) + line, f"pthread_mutex_unlock(&{p.at(other)});"]
        says = [f"pthread_mutex_lock(&{p.at(other)});", f"{p.at(ready)} = 1;", f"pthread_cond_broadcast(&{p.at(flag)});",
                f"pthread_mutex_unlock(&{p.at(other)});"]
    elif kind == "sem":
        p.act(*p.share(f"sem_t {flag};"))
        p.act(f"sem_init(&{p.at(flag)}, {int(p.processes)}, 0);")
        wait = [p.stand("", f"sem_wait(&{p.at(flag)})", [("sem_t *", f"&{p.at(flag)}")])]
        says = [f"for (int i = 0; i < {count}; i++)", f"    sem_post(&{p.at(flag)});"]
    else:
        p.globals.append(f"static int {flag};")
        p.act(f"{flag} = eventfd(0, EFD_SEMAPHORE);")
        wait = ["unsigned long count;", p.stand("", f"read({flag}, &count, 8)", [("unsigned long *", "&count")])]
        says = [f"unsigned long all = {count};", f"write({flag}, &all, sizeof all);"]
    late = ["usleep(200000);"] if p.slip == "early-notify" else []
    join = p.parties(n.verb(), count, late + wait + [SLOW, "usleep(10);"], number)
    if p.slip == "never-posted":
        p.globals.append("static int verbose;")
        says = ["if (verbose) {"] + indent(says) + ["}"]
    p.act(SLOW, *says, *join)
    if p.slip == "not-shared":
        p.blame("unshared-primitive", stuck=["main", *workers(count)], culprits=["main"])
    elif p.slip:
        blame_workers(p, "missed-wakeup", *(["mutual-receive", "lost-token"] if kind == "eventfd" else []), who=workers(count), culprits=["main"])


@protocol(too_early="signal_never_sent", both="signal_never_sent")
def signals(p):
    """Two processes tell each other by signals when to go on."""
    rng, n = p.rng, p.names
    p.how, p.noisy = "fork", rng.often()
    sig, handler = rng.choice(["SIGUSR1", "SIGUSR2"]), n.verb()
    p.function(f"static void {handler}(int number)", ["(void)number;"])
    way = "sigwait" if not p.slip else rng.choice(["pause", "sigwait", "sigsuspend"]) if p.slip == "both" else "pause"
    p.act(f"signal({sig}, {handler});", "sigset_t set, none;", "sigemptyset(&set);", "sigemptyset(&none);", f"sigaddset(&set, {sig});")
    p.globals.append("static int got;")
    if way != "pause":
        p.act("sigprocmask(SIG_BLOCK, &set, NULL);")
    child_set = ["sigset_t set, none;", "sigemptyset(&set);", "sigemptyset(&none);", f"sigaddset(&set, {sig});"]

    def wait():
        return {"sigwait": p.stand("", "sigwait(&set, &got)", [("sigset_t *", "&set")]),
                "pause": p.stand("", "pause()"), "sigsuspend": p.stand("", "sigsuspend(&none)", [("sigset_t *", "&none")])}[way]
    tell = f"kill(getppid(), {sig});"
    if p.slip == "too-early":
        pid = p.spawn(n.verb(), "", "", child_set + [tell, wait()], "w0")
        p.act("usleep(250000);", "usleep(250000);", wait(), f"kill({pid}, {sig});")
    elif p.slip == "both":
        pid = p.spawn(n.verb(), "", "", child_set + [wait(), tell], "w0")
        p.act(wait(), f"kill({pid}, {sig});")
    else:
        pid = p.spawn(n.verb(), "", "", child_set + [wait(), SLOW, tell], "w0")
        p.act(f"kill({pid}, {sig});", wait())
    p.act(p.reap(pid))
    if p.slip:
        p.blame("signal-never-sent", "mutual-receive", stuck=["main", "w0"], culprits=["main", "w0"] if p.slip == "both" else ["main"],
                verdict="stuck")


@protocol(opposite="peerless_open")
def fifos(p):
    """Two processes open two named pipes."""
    rng, n = p.rng, p.names
    p.how = "fork"
    a, b = n.place(), n.place()

    def opened(name, mode, variable):
        return p.stand(f"int {variable} = ", f'open("{name}", {mode})', words=["open_it", "attach", "connect_to"])
    p.act(f'mkfifo("{a}", 0600);', f'mkfifo("{b}", 0600);')
    pid = p.spawn(n.verb(), "", "", ["char byte;", opened(a, "O_RDONLY", "in"), opened(b, "O_WRONLY", "out"),
                                     "while (read(in, &byte, 1) > 0) {", "    " + SLOW, "    write(out, &byte, 1);", "}"], "w0")
    mine = [opened(a, "O_WRONLY", "out"), opened(b, "O_RDONLY", "in")]
    p.act("char byte = 0;", *(reversed(mine) if p.slip else mine), "write(out, &byte, 1);", "read(in, &byte, 1);", "close(out);", p.reap(pid))
    if p.slip:
        p.blame("peerless-open", stuck=["main", "w0"], culprits=["main", "w0"], verdict="stuck")


@protocol(not_returned="lost_token")
def tokens(p):
    """A pipe or an eventfd holds tokens."""
    rng, n = p.rng, p.names
    p.how = "fork"
    have = rng.randint(1, 2)
    count = have + rng.randint(1, 2)
    number, pool = n.pick(["n", "number", "me"]), n.things()
    if rng.often():
        p.globals.append(f"static int {pool}[2];")
        p.act(f"if (pipe({pool}) < 0)", "    return 1;", f'write({pool}[1], "{"+" * have}", {have});')
        take, back = (f"read({pool}[0], &token, 1)", f"write({pool}[1], &token, 1);")
        declare = "char token;"
        parameters = [("char *", "&token")]
    else:
        p.globals.append(f"static int {pool};")
        p.act(f"{pool} = eventfd({have}, EFD_SEMAPHORE);")
        take, back = f"read({pool}, &token, 8)", f"token = 1, write({pool}, &token, sizeof token);"
        declare = "unsigned long token;"
        parameters = [("unsigned long *", "&token")]
    bad = [f"if ({number} < {have})", "    " + rng.choice(["return;", "_exit(3);", "exit(1);"])] if p.slip else []
    body = [declare] + ([f"usleep(200000 * ({number} >= {have}));"] if p.slip else []) + [p.stand("", take, parameters)] + bad + [SLOW, "usleep(10);", back]
    p.act(*p.parties(n.verb(), count, body, number))
    if p.slip:
        p.blame("lost-token", "lost-worker", "dead-lock-owner", stuck=["main", *workers(count - have, have)], culprits=workers(have))


@protocol(each_other="join_cycle")
def ends(p):
    """Threads join each other."""
    rng, n = p.rng, p.names
    count, board, number = rng.randint(2, 4), n.things(), n.pick(["n", "number", "me"])
    p.globals.append(f"static pthread_t {board}[{count}];")
    p.globals.append("static pthread_barrier_t begin;")
    fn = n.verb()
    other = f"({number} + 1) % {count}"
    body = [f"int {number} = (int)(long)argument;", "pthread_barrier_wait(&begin);"]
    join = p.stand("", f"pthread_join({board}[{other}], NULL)", [("pthread_t", f"{board}[{other}]")])
    body += [join] if p.slip else [f"if ({number} + 1 < {count})", "    " + join, SLOW]
    p.function(f"static void *{fn}(void *argument)", body + ["return NULL;"])
    p.act(f"pthread_barrier_init(&begin, NULL, {count} + 1);", f"for (long i = 0; i < {count}; i++)",
          f"    pthread_create(&{board}[i], NULL, {fn}, (void *)i);", "pthread_barrier_wait(&begin);")
    if p.slip:
        p.act("pthread_exit(NULL);")
        p.blame("join-cycle")
    else:
        p.act(f"pthread_join({board}[0], NULL);")


@protocol(short="missing_sentinel", consumer_dies="full_queue_no_consumer", under_lock="lock_held_while_waiting")
def farm(p):
    """A bounded queue by hand (a mutex and two conditions), and consumers that stop at -1. Threads."""
    rng, n = p.rng, p.names
    lock, full, empty, items, head, used = n.place(), n.place(), n.place(), n.things(), n.thing(), n.pick(["used", "count", "fill"])
    put, take = n.verb(), n.verb()
    room, count = rng.randint(1, 4), rng.randint(1, 3)
    total = room + count + rng.randint(3, 8)
    if p.slip == "consumer-dies":
        count = 1
    p.globals += [f"static pthread_mutex_t {lock} = PTHREAD_MUTEX_INITIALIZER;", f"static pthread_cond_t {full} = PTHREAD_COND_INITIALIZER, "
                  f"{empty} = PTHREAD_COND_INITIALIZER;", f"static int {items}[{room}], {head}, {used};"]
    p.function(f"static void {put}(int value)", [f"pthread_mutex_lock(&{lock});", f"while ({used} == {room})",
                                                 f"    pthread_cond_wait(&{full}, &{lock});{MARK}",
                                                 f"{items}[({head} + {used}++) % {room}] = value;", f"pthread_cond_signal(&{empty});",
                                                 f"pthread_mutex_unlock(&{lock});"])
    p.function(f"static int {take}(void)", [f"pthread_mutex_lock(&{lock});", f"while ({used} == 0)",
                                            f"    pthread_cond_wait(&{empty}, &{lock});{MARK}", f"int value = {items}[{head}];",
                                            f"{head} = ({head} + 1) % {room};", f"{used}--;", f"pthread_cond_signal(&{full});",
                                            f"pthread_mutex_unlock(&{lock});", "return value;"])
    outer = n.place()
    p.globals.append(f"static pthread_mutex_t {outer} = PTHREAD_MUTEX_INITIALIZER;")
    work = ["usleep(10);", SLOW]
    if p.slip == "under-lock" or rng.often(0.3):
        work += [f"pthread_mutex_lock(&{outer});" + MARK, f"pthread_mutex_unlock(&{outer});"]
    if p.slip == "consumer-dies":
        work = ["if (value == 1)", "    return NULL;"] + work
    join = p.parties(n.verb(), count, ["int value;", f"while ((value = {take}()) != -1) {{"] + indent(work) + ["}"])
    feed = [f"for (int i = 0; i < {total}; i++)", f"    {put}(i);"]
    sentinels = count - 1 if p.slip == "short" else count
    p.act(*([f"pthread_mutex_lock(&{outer});"] + feed + [f"pthread_mutex_unlock(&{outer});"] if p.slip == "under-lock" else feed), SLOW)
    p.act(f"for (int i = 0; i < {sentinels}; i++)", f"    {put}(-1);", *join)
    if p.slip == "short":
        p.blame("missing-sentinel", "missed-wakeup")
    elif p.slip == "consumer-dies":
        p.blame("full-queue-no-consumer", "missed-wakeup", "lost-worker")
    elif p.slip == "under-lock":
        p.blame("lock-held-while-waiting")


@protocol(receive_first="mutual_receive", both_full="full_buffer_cycle", wrong_type="mutual_receive")
def messages(p):
    """Two processes talk over two System V message queues."""
    rng, n = p.rng, p.names
    p.how = "fork"
    there, back = n.thing(), n.thing()
    size = 6000 if p.slip == "both-full" else 16
    rounds = 12 if p.slip == "both-full" else rng.randint(2, 6)
    p.types.append(["struct note {", "    long type;", f"    char text[{size}];", "};"])
    p.globals.append(f"static int {there}, {back};")
    p.act(f"{there} = msgget(IPC_PRIVATE, 0600);", f"{back} = msgget(IPC_PRIVATE, 0600);", f'role("-q", {there});', f'role("-q", {back});')
    kind = 2 if p.slip == "wrong-type" else 1

    def send(queue):
        return p.stand("", f"msgsnd({queue}, &note, {size}, 0)")

    def get(queue, wanted):
        return p.stand("", f"msgrcv({queue}, &note, {size}, {wanted}, 0)")
    p.globals.append("static struct note note = {.type = 1};")
    if p.slip == "both-full":
        pid = p.spawn(n.verb(), "", "", [f"for (int i = 0; i < {rounds}; i++)", "    " + send(back), f"for (int i = 0; i < {rounds}; i++)", "    " + get(there, 0)], "w0")
        p.act(f"for (int i = 0; i < {rounds}; i++)", "    " + send(there), f"for (int i = 0; i < {rounds}; i++)", "    " + get(back, 0))
    else:
        pid = p.spawn(n.verb(), "", "", [f"for (int i = 0; i < {rounds}; i++) {{", "    " + get(there, kind), "    " + SLOW, "    " + send(back), "}"], "w0")
        turn = [send(there), get(back, 1)]
        p.act(f"for (int i = 0; i < {rounds}; i++) {{", *indent(turn[::-1] if p.slip == "receive-first" else turn), "}")
    p.act(p.reap(pid), f"msgctl({there}, IPC_RMID, NULL);", f"msgctl({back}, IPC_RMID, NULL);")
    if p.slip in ("receive-first", "wrong-type"):
        p.blame("mutual-receive", *(["missing-sentinel"] if p.slip == "wrong-type" else []), stuck=["main", "w0"], culprits=["main", "w0"])
    elif p.slip:
        p.blame("full-buffer-cycle", stuck=["main", "w0"], culprits=["main", "w0"])


@protocol(below_it="self_deadlock")
def alarmed(p):
    """The handler of a signal counts something below a mutex."""
    rng, n = p.rng, p.names
    lock, count, handler, sig = n.place(), n.thing(), n.verb(), rng.choice(["SIGALRM", "SIGUSR1"])
    p.globals += [f"static pthread_mutex_t {lock} = PTHREAD_MUTEX_INITIALIZER;", f"static int {count};"]
    take = p.stand("", f"pthread_mutex_lock(&{lock})", [("pthread_mutex_t *", f"&{lock}")])
    p.function(f"static void {handler}(int number)", [take, f"{count}++;", f"pthread_mutex_unlock(&{lock});"])
    send = "setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 100000}}, NULL);" if sig == "SIGALRM" else "kill(getpid(), SIGUSR1);"
    below = [f"{count}++;"] + ([send, "usleep(300000);"] if p.slip else [])
    p.act(f"signal({sig}, {handler});", f"pthread_mutex_lock(&{lock});", *below, f"pthread_mutex_unlock(&{lock});",
          *([] if p.slip else [send, "usleep(300000);", SLOW]))
    if p.slip:
        p.blame("self-deadlock")


@protocol(upgraded="self_deadlock")
def readers(p):
    """Threads read below a rwlock, and one of them has to write."""
    rng, n = p.rng, p.names
    lock, number, value, count = n.place(), n.pick(["n", "number", "me"]), n.thing(), rng.randint(1, 3)
    p.globals += [f"static pthread_rwlock_t {lock} = PTHREAD_RWLOCK_INITIALIZER;", f"static int {value};"]
    write_it = [p.stand("", f"pthread_rwlock_wrlock(&{lock})", [("pthread_rwlock_t *", f"&{lock}")]), f"{value}++;", SLOW,
                f"pthread_rwlock_unlock(&{lock});"]
    store = n.verb()
    p.function(f"static void {store}(void)", write_it)
    body = [f"pthread_rwlock_rdlock(&{lock});", f"int seen = {value};"]
    change = [f"if ({number} == 0 && seen >= 0)", f"    {store}();{MARK}"]
    body += change + [f"pthread_rwlock_unlock(&{lock});"] if p.slip else [f"pthread_rwlock_unlock(&{lock});"] + change
    p.act(*p.parties(n.verb(), count, body, number))
    if p.slip:
        p.blame("self-deadlock", "lock-order-cycle")


@protocol(crossed="lock_order_cycle", held="lock_held_while_waiting")
def lock_files(p):
    """Processes lock two files each."""
    rng, n = p.rng, p.names
    p.how = "fork"
    count, number, paths = rng.randint(2, 3), n.pick(["n", "number", "me"]), n.things()
    p.globals.append(f'static const char *{paths}[] = {{{", ".join(chr(34) + n.place() + ".lock" + chr(34) for _ in range(count))}}};')
    me, you = number, f"({number} + 1) % {count}"
    if p.slip != "crossed":
        me, you = f"({me} < {you} ? {me} : {you})", f"({me} < {you} ? {you} : {me})"

    def take(path, waits):
        opened = n.thing()
        call = f"flock({opened}, LOCK_EX)"
        return opened, [f"int {opened} = open({path}, O_RDWR | O_CREAT, 0600);", p.stand("", call, [("int", opened)]) if waits else call + ";"]
    low, first = take(f"{paths}[{me}]", p.slip == "held")
    high, second = take(f"{paths}[{you}]", True)
    body = first + ["usleep(200000);"] + second + [SLOW, f"close({high});", f"close({low});"]
    if p.slip == "held":
        p.act(f"int mine = open({paths}[0], O_RDWR | O_CREAT | O_CLOEXEC, 0600);", "flock(mine, LOCK_EX);")
        body = ["close(mine);"] + body
        p.globals.append("static int mine;")
        p.body[-2] = p.body[-2].replace("int mine", "mine")
    p.act(*p.parties(n.verb(), count, body, number))
    if p.slip == "held":
        p.blame("lock-held-while-waiting", "lock-order-cycle", stuck=["main", *workers(count)], culprits=["main"])
    elif p.slip:
        p.blame("lock-order-cycle", stuck=["main", *workers(count)], culprits=workers(count))


CXX = ["condition_variable", "future", "mutex", "thread", "vector"]


@protocol(early_notify="missed_wakeup", never_notified="missed_wakeup")
def gate(p):
    """C++: threads wait for a condition variable."""
    rng, n = p.rng, p.names
    p.headers += CXX
    lock, ready, flag, crew, count = n.place(), n.place(), n.thing(), n.doer() + "s", rng.randint(1, 3)
    p.globals += [f"static std::mutex {lock};", f"static std::condition_variable {ready};", f"static bool {flag};", "static bool verbose;"]
    late = ["usleep(200000);"] if p.slip == "early-notify" else []
    wait = f"{ready}.wait(guard" + (f", [] {{ return {flag}; }});" if p.slip != "early-notify" else ");") + MARK
    fn = n.verb()
    p.function(f"static void {fn}()", late + [f"std::unique_lock<std::mutex> guard({lock});", wait, SLOW])
    say = ["{", f"    std::lock_guard<std::mutex> guard({lock});", f"    {flag} = true;", "}", f"{ready}.notify_all();"]
    p.act(f"std::vector<std::thread> {crew};", f"for (int i = 0; i < {count}; i++)", f"    {crew}.emplace_back({fn});",
          *(["if (verbose) {"] + indent(say) + ["}"] if p.slip == "never-notified" else say), f"for (auto &one : {crew})", f"    one.join();{MARK}")
    if p.slip:
        p.blame("missed-wakeup")


@protocol(crossed="lock_order_cycle", joined_below="lock_held_while_waiting", no_value="missed_wakeup")
def couple(p):
    """C++: two threads with two mutexes, and a future."""
    rng, n = p.rng, p.names
    p.headers += CXX
    a, b, fn, promise = n.place(), n.place(), n.verb(), n.thing()
    guard = rng.choice(["std::lock_guard<std::mutex>", "std::unique_lock<std::mutex>"])
    p.globals += [f"static std::mutex {a}, {b};", f"static std::promise<int> {promise};"]
    p.function(f"static int {fn}(std::mutex &first, std::mutex &second)", [
        f"{guard} one(first);{MARK}", "usleep(200000);", f"{guard} two(second);{MARK}", SLOW, "return 1;"])
    crossed = p.slip == "crossed"
    start = [f"std::thread left([] {{ {fn}({a}, {b});" + (f" {promise}.set_value(1);" if p.slip != "no-value" else "") + " });",
             f"std::thread right({fn}, std::ref({b if crossed else a}), std::ref({a if crossed else b}));"]
    join = [f"right.join();{MARK}", f"left.join();{MARK}"]
    if p.slip == "joined-below":
        p.act(f"{guard} mine({a});", *start, *join)
        p.blame("lock-held-while-waiting")
    else:
        p.act(*start, f"{promise}.get_future().wait();{MARK}", *join)
        if p.slip:
            p.blame("lock-order-cycle" if crossed else "missed-wakeup", *([] if crossed else ["lost-worker"]))


def write(rng, function, slip, nap):
    p = C(rng, slip)
    function(p)
    text, lines = p.compose(nap)
    p.truth.lines = lines
    return text, p.truth
