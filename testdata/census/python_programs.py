"""Protocols in Python, each with the mistakes that can be planted in it.

A protocol is a function of a builder `p`. Where `p.slip` names one of its mistakes it writes that in and calls p.blame();
without one it writes the same program in which all is well.
"""
from program import DOERS, MARK, SLOW, Protocols, indent, workers
from python_base import Py

PROTOCOLS = Protocols()
protocol = PROTOCOLS.protocol


def as_worker(p, number):
    return [f'role(f"w{{{number}}}")'] if p.processes else []


def blame_workers(p, *accept, who, culprits, **more):
    """Of parties that are threads of the main process, that process is to blame."""
    if p.processes:
        p.blame(*accept, stuck=["main", *who], culprits=culprits, **more)
    else:  # of a thread that is gone nobody need be named
        p.blame(*accept, stuck=["main"], culprits=["main"] if "c0" not in culprits else [], **more)


def queue_of(p, *, bound=0, joinable=False, simple=True):
    """An expression that makes a queue for the topology."""
    size = str(bound) if bound else ""
    if not p.processes:
        return p.rng.choice(["queue.Queue", "queue.Queue", "queue.SimpleQueue"]
                            if simple and not joinable and not bound else ["queue.Queue"]) + f"({size})"
    if joinable:
        return f"context.JoinableQueue({size})"
    if p.how == "os.fork":
        return "context.SimpleQueue()"
    kinds = ["context.Queue"] * 4 + ["context.JoinableQueue"]
    if simple and not bound:
        kinds += ["context.SimpleQueue"] * 2
    return p.rng.choice(kinds) + f"({size})"


def death(p):
    """How a worker dies: a process in one of many ways, a thread by an exception. It is the role c0."""
    return ([] if not p.processes else ['role("c0")']) + [way_to_die(p)]


def way_to_die(p):
    if not p.processes:
        return p.rng.choice(['raise RuntimeError("bad one")', "{}['missing']", "return"])
    return p.rng.choice(["os._exit(1)", "os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(3)",
                         'raise RuntimeError("bad one")', "os.abort()"])


@protocol(short="missing_sentinel", join_first="join_before_drain", worker_dies="lost_worker",
          under_lock="lock_held_while_waiting")
def farm(p):
    """Workers take jobs from one queue and put results into another one."""
    rng, n = p.rng, p.names
    if p.slip == "join-first":
        p.choose("fork", "fork", "spawn", "forkserver", "os.fork")
    elif p.slip == "worker-dies":
        p.choose("thread", "fork", "spawn", "forkserver")
    else:
        p.choose("thread", "thread", "fork", "fork", "spawn", "forkserver", "os.fork")
    count, total = rng.randint(1, 4), rng.randint(4, 12)
    jobs, results, crew, got, lock = (p.var(n.things()), p.var(n.things()), p.var(n.doer() + "s"), p.var(n.things()),
                                      p.var(n.pick(["lock", "guard", "gate", "mutex"])))
    with_lock = p.slip == "under-lock" or rng.often(0.3)
    a, b, c, item, number, done = n.things(), n.things(), n.pick(["lock", "turn"]), n.thing(), n.pick(["n", "number"]), n.thing()
    big = p.slip == "join-first"
    body = [SLOW]
    if p.slip == "worker-dies":
        body += [f"if {item} == {rng.randint(0, total - 1)}:"] + indent(death(p))
    value = f"bytes({rng.choice([200_000, 300_000])})" if big else p.work(item)
    body.append(f"{done} = {value}")
    put = p.give(f"{b}.put({done})", b, done)
    if with_lock:
        body += rng.choice([[f"with {c}:" + MARK, "    " + put],
                            [f"{c}.acquire(){MARK}", "try:", "    " + put, "finally:", f"    {c}.release()"]])
    else:
        body.append(put)
    jobs_maker = queue_of(p)
    p.function(fn := p.names.verb(), [number, a, b, c], as_worker(p, number) + p.loop_over(item, f"{a}.get", [a], body))
    p.act([f"{jobs} = {jobs_maker}", f"{results} = {queue_of(p)}", f"{lock} = {p.make('Lock')}()"] +
          p.launch(crew, fn, ["{n}", jobs, results, lock], count))
    one = n.pick(["x", "y", "one", "each"])
    feed = [f"for {one} in range({total}):", "    " + p.give(f"{jobs}.put({one})", jobs, one), SLOW]
    sentinels = count if p.slip != "short" else rng.randint(0, count - 1)
    ends = [f"for _ in range({sentinels}):", "    " + p.give(f"{jobs}.put(None)", jobs)] if sentinels or rng.often() else []
    ends = [] if not sentinels else ends
    expression, mark = p.via(f"{results}.get()", [results])
    drain = rng.choice([[f"{got} = [{expression} for _ in range({total})]{mark}"],
                        [f"{got} = []", f"for _ in range({total}):", f"    {got}.append({expression}){mark}"],
                        [f"{got} = []", f"while len({got}) < {total}:", f"    {got}.append({expression}){mark}"]])
    join = p.join(crew)
    order = [ends + drain, drain + ends][rng.often(0.3)]
    if p.slip == "under-lock":
        order = [f"with {lock}:"] + indent(drain) + ends
    p.act(feed)
    if p.slip == "join-first":
        p.act(ends + join)
        p.act(drain)
    else:
        p.act(order)
        p.act(join)
    p.act([f"log.info('%d results', len({got}))"])
    if p.slip == "short":
        blame_workers(p, "missing-sentinel", who=workers(count), culprits=["main"])
    elif p.slip == "join-first":
        blame_workers(p, "join-before-drain", "full-buffer-cycle", who=workers(count), culprits=["main"])
    elif p.slip == "worker-dies":
        blame_workers(p, "lost-worker", who=workers(count), culprits=["c0"])
    elif p.slip == "under-lock":
        blame_workers(p, "lock-held-while-waiting", who=workers(count), culprits=["main"])


@protocol(no_done="unfinished_tasks", raises="unfinished_tasks")
def task_queue(p):
    """Work is put into a queue that counts it, and the main party waits until all is done."""
    rng, n = p.rng, p.names
    p.choose("thread", "thread", "fork", "fork", "spawn", "forkserver")
    count, total = rng.randint(1, 3), rng.randint(3, 9)
    jobs, crew = p.var(n.things()), p.var(n.doer() + "s")
    a, item, number = n.things(), n.thing(), n.pick(["n", "number"])
    bad = rng.randint(0, total - 1)
    body = []
    if p.slip == "raises":
        body += [f"if {item} == {bad}:"] + indent(death(p))
    if p.slip == "no-done":
        body += [rng.choice([f"if {item} == {bad}:", f"if {item} % {total} == {bad}:"])] + \
            indent(['role("c0")'] * p.processes + ["continue"])
    body += [SLOW, f"{n.thing()} = {p.work(item)}", p.give(f"{a}.task_done()", a)]
    fn = p.function(n.verb(), [number, a], as_worker(p, number) + p.loop_over(item, f"{a}.get", [a], body))
    one = n.pick(["x", "y", "one", "each"])
    p.act([f"{jobs} = {queue_of(p, joinable=True)}"] + p.launch(crew, fn, ["{n}", jobs], count))
    p.act([f"for {one} in range({total}):", "    " + p.give(f"{jobs}.put({one})", jobs, one), SLOW])
    p.act([p.stand("", f"{jobs}.join()", [jobs], ["wait_all", "drain", "finish_all", "settle"])])
    p.act([f"for _ in range({count}):", f"    {jobs}.put(None)"])
    p.act(p.join(crew))
    if p.slip == "no-done":
        blame_workers(p, "unfinished-tasks", who=workers(count), culprits=workers(count) if p.processes else ["c0"])
    elif p.slip == "raises":
        blame_workers(p, "unfinished-tasks", "lost-worker", who=workers(count), culprits=["c0"])


@protocol(consumer_dies="full_queue_no_consumer")
def bounded(p):
    """A producer fills a bounded queue that one consumer empties."""
    rng, n = p.rng, p.names
    p.choose("thread", "thread", "fork", "fork", "spawn", "forkserver")
    items, crew = p.var(n.things()), p.var(n.doer())
    bound = rng.randint(1, 4)
    a, item, number = n.things(), n.thing(), n.pick(["n", "number"])
    body = [SLOW, f"{n.thing()} = {p.work(item)}"]
    if p.slip:
        body = [f"if {item} == {rng.randint(0, 3)}:"] + indent(death(p)) + body
    fn = p.function(n.verb(), [number, a], as_worker(p, number) + p.loop_over(item, f"{a}.get", [a], body))
    one = n.pick(["x", "y", "one", "each"])
    p.act([f"{items} = {queue_of(p, bound=bound)}"] + p.launch(crew, fn, ["0", items]))
    p.act([f"for {one} in range({bound + rng.randint(8, 20)}):", "    " + p.give(f"{items}.put({one})", items, one, waits=True)])
    p.act([f"{items}.put(None)"] + p.join(crew, many=False, mark=False))
    if p.slip:
        blame_workers(p, "full-queue-no-consumer", "lost-worker", who=[], culprits=["w0"])


PAIRS = {"Pipe": ("{a}, {b} = context.Pipe()", "{e}.recv()", "{e}.send({v})"),
         "Queues": ("{a}, {b} = context.Queue(), context.Queue()", "", ""),
         "socketpair": ("{a}, {b} = socket.socketpair()", "{e}.recv(4096)", "{e}.sendall(str({v}).encode())")}


@protocol(both_wait="mutual_receive", both_flood="full_buffer_cycle", no_flush="mutual_receive")
def dialogue(p):
    """A client asks, a server answers, over a pair of ends or two queues."""
    rng, n = p.rng, p.names
    if p.slip == "both-flood":
        p.choose("thread", "fork", "fork", "os.fork")
    else:
        p.choose("thread", "thread", "fork", "fork", "spawn", "forkserver", "os.fork")
    threads = not p.processes
    kinds = ["socketpair", "socketpair", "Pipe"]
    if p.slip in ("both-wait", None) and p.how not in ("os.fork",):
        kinds.append("Queues")
    if p.slip == "no-flush":
        kinds = ["file"]
        if p.how in ("spawn", "forkserver"):
            p.how = "fork"
    kind = rng.choice(kinds)
    rounds = rng.randint(3, 9)
    a, b, server, got = p.var(n.place()), p.var(n.place()), p.var(n.doer()), n.thing()
    module = "multiprocessing" if threads else "context"
    e, number, one, ask = n.place(), n.pick(["n", "number"]), n.thing(), n.pick(["x", "turn", "step"])
    flood = p.slip == "both-flood"
    value = "bytes(600_000)" if flood else ask
    flooded = "bytes(600_000)" if flood else p.work(one)
    if kind == "Pipe":
        make = [f"{a}, {b} = {module}.Pipe()"]
        take, give = "{e}.recv()", "{e}.send({v})"
    elif kind == "socketpair":
        make = [f"{a}, {b} = socket.socketpair()"]
        take = "{e}.recv(4096)"
        give = "{e}.sendall({v})" if flood else "{e}.sendall(str({v}).encode())"
    elif kind == "Queues":
        maker = "queue.Queue()" if threads else "context.Queue()"
        make = [f"{a}, {b} = ({maker}, {maker}), None", f"{b} = {a}[::-1]"]
        take, give = "{e}[0].get()", "{e}[1].put({v})"
    else:
        x, y = n.place(), n.place()
        make = [f"{x}, {y} = socket.socketpair()", f"{a}, {b} = {x}.makefile('rw'), {y}.makefile('rw')"]
        take, give = "{e}.readline()", "{e}.write(f'{{{v}}}\\n')"
    quit_value = {"Pipe": "None", "Queues": "None", "socketpair": "'quit'", "file": "'quit'"}[kind]
    is_end = {"Pipe": f"{one} is None", "Queues": f"{one} is None", "socketpair": f"{one} == b'quit'",
              "file": f"{one}.strip() == 'quit'"}[kind]
    send = p.give(give.format(e=e, v=flooded if kind != "file" else "answer"), e, *([] if flood or kind == "file" else [one]),
                  waits=flood)
    answer = ([f"answer = {p.work(one)!s}"] if kind == "file" else []) + \
        ([send] if kind != "file" else [give.format(e=e, v="answer"), f"{e}.flush()"])
    if kind == "file" and (p.slip == "no-flush") and (lazy_server := rng.often()):
        answer.pop()
    if flood:
        loop = [f"for _ in range({rounds}):", "    " + send,
                "    " + p.stand(f"{one} = ", take.format(e=e), [e])]
    else:
        loop = ["while True:", "    " + p.stand(f"{one} = ", take.format(e=e), [e]), f"    if {is_end}:", "        break", SLOW] + \
               indent(answer)
        loop = [line.replace(SLOW, "    " + SLOW) if line == SLOW else line for line in loop]
    fn = p.function(n.verb(), [number, e], as_worker(p, number) + loop)
    p.act(make + p.launch(server, fn, ["0", b]))
    ask_line = p.give(give.format(e=a, v=value), a, *([] if flood else [ask]), waits=flood)
    hear = p.stand(f"{got} = ", take.format(e=a), [a])
    turn = [ask_line] + ([f"{a}.flush()"] if kind == "file" else []) + [SLOW, hear]
    if p.slip == "both-wait":
        turn = [hear, ask_line]
    if p.slip == "no-flush" and not lazy_server:
        turn.remove(f"{a}.flush()")
    p.act([f"for {ask} in range({rounds}):"] + indent(turn))
    end = give.format(e=a, v=quit_value) if kind != "file" else f"{a}.write('quit\\n')"
    p.act((([end] + ([f"{a}.flush()"] if kind == "file" else [])) if not flood else []) + p.join(server, many=False, mark=False))
    if p.slip == "both-wait":
        blame_workers(p, "mutual-receive", who=["w0"], culprits=["main", "w0"])
    elif p.slip == "no-flush":
        blame_workers(p, "mutual-receive", who=["w0"], culprits=["w0"] if lazy_server else ["main"])
    elif flood:
        blame_workers(p, "full-buffer-cycle", who=["w0"], culprits=["main", "w0"])


@protocol(parent_keeps="unclosed_write_end", reader_keeps="unclosed_write_end", sibling_keeps="unclosed_write_end")
def until_end(p):
    """A reader in a process of its own reads until the end of the file."""
    rng, n = p.rng, p.names
    p.choose("fork", "fork", "os.fork", "os.fork") if p.slip else p.choose("fork", "os.fork")
    p.may_nest = p.slip != "parent-keeps"
    kind = rng.choice(["os.pipe", "os.pipe", "Pipe", "socketpair", "file"])
    r, w, reader, other = p.var(n.place()), p.var(n.place()), p.var(n.doer()), p.var(n.doer())
    a, b, number, chunk, total = n.place(), n.place(), n.pick(["n", "number"]), n.thing(), n.pick(["total", "size"])
    fileno = {"os.pipe": "{}", "Pipe": "{}.fileno()", "socketpair": "{}.fileno()", "file": "{}.fileno()"}[kind]
    close = {"os.pipe": "os.close({})"}.get(kind, "{}.close()")
    make = {"os.pipe": [f"{r}, {w} = os.pipe()"], "Pipe": [f"{r}, {w} = context.Pipe(duplex={rng.often()})"],
            "socketpair": [f"{r}, {w} = socket.socketpair()"],
            "file": [f"{r}, {w} = os.pipe()", f"{r}, {w} = os.fdopen({r}, 'rb'), os.fdopen({w}, 'wb', 0)"]}[kind]
    expression = {"os.pipe": f"os.read({a}, 4096)", "Pipe": f"{a}.recv()", "socketpair": f"{a}.recv(4096)",
                  "file": f"{a}.readline()"}[kind]
    get = p.stand(f"{chunk} = ", expression, [a])
    loop = [f"{total} = 0", "while True:", "    " + get, f"    if not {chunk}:", "        break", f"    {total} += 1", "    " + SLOW]
    if kind == "Pipe":
        loop = [f"{total} = 0", "try:", "    while True:", "        " + get, f"        {total} += 1", "        " + SLOW,
                "except EOFError:", f"    log.info('%d', {total})"]
    if kind == "file" and rng.often():
        loop = [f"for {chunk} in {a}:{MARK}", f"    log.debug('%r', {chunk})", "    " + SLOW]
    reader_role = [f'role("w0"' + (f", {fileno.format(b)})" if p.slip == "reader-keeps" else ")")]
    fn = p.function(n.verb(), [a, b], reader_role + ([] if p.slip == "reader-keeps" else [close.format(b)]) + loop)
    send = {"os.pipe": f"os.write({w}, b'data\\n')", "Pipe": f"{w}.send('data')", "socketpair": f"{w}.sendall(b'data\\n')",
            "file": f"{w}.write(b'data\\n')"}[kind]
    one = n.pick(["x", "y"])
    lines = make + p.launch(reader, fn, [r, w])
    if p.slip == "sibling-keeps":
        sibling = n.verb()
        wait_on, sib_r, sib_w = n.place(), p.var(n.place()), p.var(n.place())
        cmd = n.thing()
        p.function(sibling, [wait_on, b], [f'role("w1", {fileno.format(b)})', f"os.close({wait_on}[1])",
                                          f"while True:", f"    {cmd} = os.read({wait_on}[0], 1){MARK}", f"    if not {cmd}:",
                                          "        break"])
        lines = make + [f"{sib_r}, {sib_w} = os.pipe()"] + p.launch(other, sibling, [f"({sib_r}, {sib_w})", w]) + \
            p.launch(reader, fn, [r, w])
        # the reader inherits the sibling's pipe too: it is the main party that ends the sibling, afterwards
        p.names.used.add("sib")
    p.act(lines + [close.format(r)])
    p.act([f"for {one} in range({rng.randint(2, 9)}):", "    " + p.give(send, w), SLOW])
    join = p.join(reader, many=False)
    if p.slip == "parent-keeps":
        p.act([f'role("main", {fileno.format(w)})'] + join + [close.format(w)])
    elif p.slip == "sibling-keeps":
        p.act([close.format(w)] + join + [f"os.close({sib_w})"] + p.join(other, many=False, mark=False))
    else:
        p.act([close.format(w)] + join)
    if p.slip:
        who = {"parent-keeps": "main", "reader-keeps": "w0", "sibling-keeps": "w1"}[p.slip]
        p.blame("unclosed-write-end", stuck=["main", "w0"] + (["w1"] if who == "w1" else []), culprits=[who], fd_of=who)


@protocol(wait_first="join_before_drain", stdin_open="unclosed_write_end", both_streams="full_buffer_cycle",
          no_flush="mutual_receive", stopped="stopped_process")
def command(p):
    """A helper command below subprocess, which is this file again with an argument."""
    rng, n = p.rng, p.names
    p.how = "thread"
    child, out, line = p.var(n.doer()), n.thing(), n.thing()
    word = n.pick(["serve", "filter", "child", "helper", "step"])
    fn = n.verb()
    body = ['role("w0")']
    pipes = ["stdin=subprocess.PIPE", "stdout=subprocess.PIPE"]
    rng.shuffle(pipes)
    args = f"[sys.executable, sys.argv[0], '{word}']"
    if p.slip == "wait-first":
        body += [f"for {line} in range(60000):", f"    print('value', {line}){MARK}"]
        acts = [f"{child} = subprocess.Popen({args}, stdout=subprocess.PIPE)"] + \
               [p.stand("", f"{child}.wait()", [child], ["wait_for", "finish"])] + [f"{out} = {child}.stdout.read()"]
        p.blame("join-before-drain", "full-buffer-cycle", stuck=["main", "w0"], culprits=["main"])
    elif p.slip == "both-streams":
        body += [f"for {line} in range(40000):", f"    print('trouble with', {line}, file=sys.stderr){MARK}", "print('done')"]
        acts = [f"{child} = subprocess.Popen({args}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)",
                p.stand(f"{out} = ", f"{child}.stdout.read()", [child]), f"{out} += {child}.stderr.read()", f"{child}.wait()"]
        p.blame("full-buffer-cycle", stuck=["main", "w0"], culprits=["main"])
    elif p.slip in ("stdin-open", None) and rng.often(0.5 if not p.slip else 1):
        loop = rng.choice([[f"for {line} in sys.stdin:{MARK}", f"    log.debug('%s', {line})", "    " + SLOW],
                           [f"{line} = sys.stdin.read(){MARK}", SLOW, f"print(len({line}))"],
                           [f"while {line} := sys.stdin.readline():{MARK}", f"    log.debug('%s', {line})", "    " + SLOW]])
        body += loop + ["print('end')"]
        ask = [f"{child} = subprocess.Popen({args}, {', '.join(pipes)}, text=True)",
               f"for {line} in range(3):", f"    {child}.stdin.write(f'{{{line}}}\\n')", f"{child}.stdin.flush()"]
        read = [p.stand(f"{out} = ", f"{child}.stdout.read()", [child])] if rng.often() else []
        acts = ask + ([f"role('main', {child}.stdin.fileno())"] if p.slip else [f"{child}.stdin.close()", SLOW]) + read + \
            [p.stand("", f"{child}.wait()", [child], ["wait_for", "finish"])]
        if p.slip:
            p.blame("unclosed-write-end", stuck=["main", "w0"], culprits=["main"], fd_of="main")
    elif p.slip == "stopped":
        body += [f"log.info('%d', os.getpid())", "os.kill(os.getpid(), signal.SIGSTOP)", "print('ready')"]
        acts = [f"{child} = subprocess.Popen({args}, stdout=subprocess.PIPE)",
                p.stand(f"{out} = ", rng.choice([f"{child}.stdout.read()", f"{child}.wait()", f"{child}.communicate()"]), [child])]
        p.blame("stopped-process", stuck=["main", "w0"], culprits=["w0"], verdict="stuck")
    else:
        flush = ", flush=True" if not p.slip else ""
        body += [f"for {line} in sys.stdin:{MARK}", "    " + SLOW, f"    print('answer', {line}{flush})"]
        acts = [f"{child} = subprocess.Popen({args}, {', '.join(pipes)}, text=True)", f"for {line} in range(4):",
                f"    {child}.stdin.write(f'{{{line}}}\\n')", f"    {child}.stdin.flush()",
                "    " + p.stand(f"{out} = ", f"{child}.stdout.readline()", [child]), f"{child}.stdin.close()", f"{child}.wait()"]
        if p.slip:
            p.blame("mutual-receive", stuck=["main", "w0"], culprits=["w0"])
    fn = p.function(fn, [], body)
    p.act(acts)
    p.may_nest = False
    p.entry = lambda nest: f"""
        if sys.argv[1:] == ["{word}"]:
            {fn}()
        else:
            main()
    """


def lock_maker(p):
    kinds = ["Lock", "Lock", "RLock"]
    if p.processes:
        kinds += ["Semaphore(1)", "BoundedSemaphore(1)"]
    kind = p.rng.choice(kinds)
    return p.make(kind if kind.endswith(")") else kind + "()")


def hold(p, lock, body, waits=True):
    """The body below the lock, as people write it."""
    mark = MARK if waits else ""
    return p.rng.choice([
        [f"with {lock}:{mark}"] + indent(body),
        [f"{lock}.acquire(){mark}", "try:"] + indent(body) + ["finally:", f"    {lock}.release()"],
        [f"{lock}.acquire(){mark}"] + body + [f"{lock}.release()"],
        [f"if {lock}.acquire():{mark}"] + indent(["try:"] + indent(body) + ["finally:", f"    {lock}.release()"])])


@protocol(crossed="lock_order_cycle", crossed_timed="lock_order_cycle", twice="self_deadlock",
          joined_below="lock_held_while_waiting")
def accounts(p):
    """Parties that each hold two locks at a time."""
    rng, n = p.rng, p.names
    hows = ["thread", "thread", "fork", "spawn", "forkserver", "os.fork"]
    p.choose(*hows)
    count = rng.randint(2, 4)
    kind = rng.choice(["Lock", "Lock", "flock"]) if p.slip == "crossed" and p.processes else "Lock"
    maker = lock_maker(p)
    while p.slip == "twice" and "RLock" in maker:
        maker = lock_maker(p)
    locks, crew = p.var(n.things()), p.var(n.doer() + "s")
    first, second, number, store, moved = n.place(), n.place(), n.pick(["n", "number"]), n.place(), n.thing()
    inner = [f"{moved} = {p.work(number)}", SLOW]
    nap = [f"time.sleep({rng.choice(['0.2', '0.25', '0.3'])})"]
    if kind == "Lock":
        make = [f"{locks} = [{maker} for _ in range({count})]"]
        body = hold(p, first, nap + hold(p, second, inner), waits=p.slip != "crossed")
        if p.slip == "crossed-timed":
            body = [f"while True:", f"    with {first}:"] + indent(nap, 2) + [
                f"        if {second}.acquire(timeout={rng.choice(['0.05', '0.1', '0.2'])}):{MARK}"] + indent(
                    [f"{second}.release()", "return"], 3)
            body = hold(p, first, nap + [f"while not {second}.acquire(timeout={rng.choice(['0.1', '0.2', '0.5'])}):{MARK}",
                                         "    log.debug('busy')", f"{second}.release()"], waits=False)
    else:
        path = n.thing()
        make = [f"{locks} = [f'{path}{{i}}.lock' for i in range({count})]"]
        one, two = n.thing(), n.thing()
        body = [f"with open({first}, 'w') as {one}, open({second}, 'w') as {two}:", f"    fcntl.{kind}({one}, fcntl.LOCK_EX)"] + \
            indent(nap + [p.stand("", f"fcntl.{kind}({two}, fcntl.LOCK_EX)", [two], ["lock_file", "take_file", "claim"])])
    if p.slip == "twice":
        helper = p.function(n.verb(), [store], hold(p, store, ["log.debug('inner')"]))
        body = hold(p, first, [f"if {number} == 0:", f"    {helper}({first})"] + inner, waits=False)
    fn = p.function(n.verb(), [number, first, second], as_worker(p, number) + body)
    index = "{n}"
    if p.slip and p.slip.startswith("crossed"):
        pair = [f"{locks}[{index}]", f"{locks}[({index} + 1) % {count}]"]
    else:
        pair = [f"{locks}[min({index}, ({index} + 1) % {count})]", f"{locks}[max({index}, ({index} + 1) % {count})]"]
    p.act(make + p.launch(crew, fn, ["{n}", *pair], count))
    join = p.join(crew, mark=p.slip in ("joined-below",))
    if p.slip == "joined-below":
        lock = f"{locks}[0]"
        p.acts[-1] = make + hold(p, lock, p.launch(crew, fn, ["{n}", *pair], count) + join, waits=False)
        blame_workers(p, "lock-held-while-waiting", who=workers(count), culprits=["main"])
    else:
        p.act(join)
    if p.slip and p.slip.startswith("crossed"):
        blame_workers(p, "lock-order-cycle", who=workers(count), culprits=workers(count))
    elif p.slip == "twice":
        blame_workers(p, "self-deadlock", who=workers(count), culprits=["w0"])


@protocol(dies_inside="dead_lock_owner", slot_lost="dead_lock_owner")
def visitors(p):
    """Processes that take turns below one lock or a semaphore of a few slots."""
    rng, n = p.rng, p.names
    p.choose("fork", "fork", "spawn", "forkserver", "os.fork")
    count = rng.randint(2, 4)
    lock, crew = p.var(n.place()), p.var(n.doer() + "s")
    store, number, moved = n.place(), n.pick(["n", "number"]), n.thing()
    slots = 2 if p.slip == "slot-lost" else 1
    maker = "context.Semaphore(2)" if slots == 2 else rng.choice(["context.Lock()", "context.RLock()", "context.Semaphore(1)"])
    die = rng.choice(["os._exit(1)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"])
    inner = [f"{moved} = {p.work(number)}", SLOW]
    dead = {"dies-inside": 1, "slot-lost": 2}.get(p.slip, 0)
    count = max(count, dead + 1)
    if p.slip:
        inner = [f"if {number} < {dead}:", f"    {die}"] + inner
    lag = [f"time.sleep(0.15 * ({number} >= {dead}))"] if p.slip else []
    fn = p.function(n.verb(), [number, store], as_worker(p, number) + lag + hold(p, store, inner))
    p.act([f"{lock} = {maker}"] + p.launch(crew, fn, ["{n}", lock], count))
    p.act(p.join(crew, mark=False))
    if p.slip:
        p.blame("dead-lock-owner", *(["lost-token"] if slots == 2 else []), stuck=["main", *workers(count - dead, dead)],
                culprits=workers(dead))


@protocol(held_at_fork="lock_held_across_fork")
def fork_beside_thread(p):
    """A thread works below a lock while the main thread forks."""
    rng, n = p.rng, p.names
    p.choose("fork", "os.fork")
    lock, thread, child, ready = p.var(n.place()), p.var(n.doer()), p.var(n.doer()), n.pick(["ready", "begun", "up"])
    guard, number = n.place(), n.pick(["n", "number"])
    p.define(f"{ready} = threading.Event()")
    held = [f"{ready}.set()", "time.sleep(0.4)"]
    busy = p.function(n.verb(), [guard], hold(p, guard, held, waits=False) if p.slip else
                      hold(p, guard, [f"{n.thing()} = 1"], waits=False) + held)
    work = p.function(n.verb(), [number, guard], as_worker(p, number) + hold(p, guard, ["log.debug('mine')", SLOW]))
    maker = rng.choice(["threading.Lock()", "threading.RLock()", "threading.Lock()"])
    p.act([f"{lock} = {maker}", f"{thread} = threading.Thread(target={busy}, args=({lock},))", f"{thread}.start()",
           f"{ready}.wait()"] + p.launch(child, work, ["0", lock]))
    p.act(p.join(child, many=False, mark=False) + [f"{thread}.join()"])
    if p.slip:
        p.blame("lock-held-across-fork", stuck=["main", "w0"], culprits=["main", "w0"])


@protocol(too_few="missing_party", one_raises="missing_party", uneven="missing_party", two_barriers="missing_party")
def rounds(p):
    """Parties that meet at a barrier in each round."""
    rng, n = p.rng, p.names
    p.choose("thread", "thread", "fork", "spawn", "forkserver", "os.fork")
    count, laps = rng.randint(2, 4), rng.randint(2, 4)
    gate, crew, meet, number, lap = p.var(n.place()), p.var(n.doer() + "s"), n.place(), n.pick(["n", "number"]), n.pick(["lap", "turn"])
    second, meet2 = p.var(n.place()), n.place()
    parties = count + (1 if p.slip == "too-few" else 0)
    wait = p.stand("", f"{meet}.wait()", [meet], ["meet", "line_up", "sync", "arrive"])
    lap_count = f"{laps} - ({number} == 0)" if p.slip == "uneven" else str(laps)
    body = [f"for {lap} in range({lap_count}):", f"    {n.thing()} = {p.work(lap)}", "    " + SLOW, "    " + wait]
    if p.slip == "one-raises":
        body[1:1] = [f"    if {number} == 0 and {lap} == {laps - 1}:", *indent(death(p), 2)]
    args = ["{n}", gate]
    parameters = [number, meet]
    makes = [f"{gate} = {p.make('Barrier')}({parties})"]
    if p.slip == "two-barriers" or (not p.slip and rng.often(0.3)):
        makes.append(f"{second} = {p.make('Barrier')}({count})")
        args.append(second)
        parameters.append(meet2)
        swapped = p.slip == "two-barriers"
        one, two = [f"{meet}.wait(){MARK}", f"{meet2}.wait(){MARK}"], [f"{meet2}.wait(){MARK}", f"{meet}.wait(){MARK}"]
        body = ([f"if {number} == 0:"] + indent(two) + ["else:"] + indent([SLOW] + one)) if swapped else [SLOW] + one
    fn = p.function(n.verb(), parameters, as_worker(p, number) + body)
    p.act(makes + p.launch(crew, fn, args, count))
    p.act(p.join(crew, mark=False))
    if p.slip == "too-few":
        blame_workers(p, "missing-party", who=workers(count), culprits=["main"])
    elif p.slip in ("one-raises", "uneven"):
        blame_workers(p, "missing-party", "lost-worker", who=workers(count, 1), culprits=["w0"])
    elif p.slip == "two-barriers":
        blame_workers(p, "missing-party", who=workers(count), culprits=["w0"] if count > 2 else workers(count))


@protocol(never_set="missed_wakeup", pulse="missed_wakeup", early_notify="missed_wakeup", not_shared="unshared_primitive",
          no_permit="missed_wakeup")
def start_signal(p):
    """A party waits until another one says that all is ready."""
    rng, n = p.rng, p.names
    if p.slip == "not-shared":
        p.choose("fork", "fork", "os.fork")
    else:
        p.choose("thread", "thread", "fork", "spawn", "forkserver", "os.fork")
    count = rng.randint(1, 3)
    sign, crew, flag, number = p.var(n.place()), p.var(n.doer() + "s"), n.place(), n.pick(["n", "number"])
    kind = {"early-notify": "Condition", "pulse": "Event", "no-permit": "Semaphore"}.get(p.slip) or rng.choice(["Event", "Event", "Condition"])
    if p.slip == "not-shared":
        kind = rng.choice(["Event", "Semaphore"])
    if kind == "Event":
        wait = [p.stand("", f"{flag}.wait()", [flag], ["await_it", "hold_on", "until"])]
    elif kind == "Semaphore":
        wait = [p.stand("", f"{flag}.acquire()", [flag], ["await_it", "hold_on", "until"])]
    elif p.slip == "early-notify":
        wait = [f"with {flag}:", "    " + p.stand("", f"{flag}.wait()", [flag], ["await_it", "hold_on", "until"])]
    else:
        wait = [f"with {flag}:", "    " + p.stand("", f"{flag}.wait_for(lambda: {flag}.acquire and done.value)", [flag])]
        kind = "Event"
        wait = [p.stand("", f"{flag}.wait()", [flag], ["await_it", "hold_on", "until"])]
    late = ["time.sleep(0.3)"] if p.slip in ("pulse", "early-notify") else []
    fn = p.function(n.verb(), [number, flag], as_worker(p, number) + late + wait + [f"{n.thing()} = {p.work(number)}", SLOW])
    where = "threading." if p.slip == "not-shared" else p.make("")
    maker = f"{where}{kind}({'0' if kind == 'Semaphore' else ''})"
    p.act([f"{sign} = {maker}"] + p.launch(crew, fn, ["{n}", sign], count))
    done = p.var(n.thing())
    p.act([f"{done} = {p.work('7')}", SLOW])
    if kind == "Semaphore":
        says = [f"for _ in range({count}):", f"    {sign}.release()"]
    elif kind == "Condition":
        says = [f"with {sign}:", f"    {sign}.notify_all()"]
    else:
        says = [f"{sign}.set()"]
    if p.slip == "pulse":
        says.append(f"{sign}.clear()")
    if p.slip in ("never-set", "no-permit"):
        says = [f"if not {done}:"] + indent(says)
    p.act(says)
    p.act(p.join(crew, mark=False))
    if p.slip == "not-shared":
        p.blame("unshared-primitive", stuck=["main", *workers(count)], culprits=["main"])
    elif p.slip:
        blame_workers(p, "missed-wakeup", *(["lost-token"] if kind == "Semaphore" else []), who=workers(count), culprits=["main"])


@protocol(nested="pool_starvation", worker_dies="lost_worker", in_child="thread_lost_in_fork")
def pool(p):
    """Tasks are handed to a pool or an executor."""
    rng, n = p.rng, p.names
    p.how = "thread" if p.slip == "nested" else rng.choice(["fork", "spawn", "forkserver"]) if p.slip == "worker-dies" else "fork"
    size = rng.randint(1, 3)
    tasks = rng.randint(3, 8)
    crew, number, got = p.var(n.doer()), n.pick(["n", "number"]), p.var(n.things())
    if p.slip == "nested" or (not p.slip and rng.often()):
        p.how = "thread"
        pool_name, inner, outer, one = n.doer(), n.verb(), n.verb(), n.thing()
        p.define(f"{pool_name} = concurrent.futures.ThreadPoolExecutor({size if p.slip else size + tasks})")
        p.function(inner, [one], [SLOW, f"return {p.work(one)}"])
        form = rng.choice(["submit", "map"])
        line = p.stand("return ", f"{pool_name}.submit({inner}, {number}).result()" if form == "submit" else
                       f"list({pool_name}.map({inner}, [{number}]))", [number])
        nap = ["time.sleep(0.1)"] if p.slip else []
        p.function(outer, [number], nap + [line])
        p.act([p.stand(f"{got} = ", rng.choice([f"[f.result() for f in [{pool_name}.submit({outer}, i) for i in range({tasks})]]",
                                                f"list({pool_name}.map({outer}, range({tasks})))"])).replace(MARK, "")])
        p.act([f"{pool_name}.shutdown()"])
        if p.slip:
            p.blame("pool-starvation")
        return
    if p.slip == "worker-dies" or not p.slip:
        fn = n.verb()
        die = rng.choice(["os._exit(1)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()", "sys.exit(2)"])
        check = [f"if {number} == {rng.randint(0, tasks - 1)}:", f"    {die}"] if p.slip else []
        check[1:1] = ['    role("c0")'] * len(check[1:])
        p.function(fn, [number], check + [SLOW, f"return {p.work(number)}"])
        call = rng.choice([f"{crew}.map({fn}, range({tasks}), chunksize=1)", f"list({crew}.imap_unordered({fn}, range({tasks})))",
                           f"{crew}.map_async({fn}, range({tasks}), chunksize=1).get()",
                           f"[r.get() for r in [{crew}.apply_async({fn}, (i,)) for i in range({tasks})]]"])
        p.act([f"{crew} = context.Pool({size})"])
        p.act([p.stand(f"{got} = ", call, [crew], ["run_all", "all_of", "results_of"]), f"{crew}.close()", f"{crew}.join()"])
        if p.slip:
            p.blame("lost-worker", stuck=["main"], culprits=["c0"])
        return
    pool_name, child, fn, one = n.doer(), p.var(n.doer()), n.verb(), n.thing()
    p.define(f"{pool_name} = concurrent.futures.ThreadPoolExecutor({size})")
    p.function(fn, [number, one], as_worker(p, number) + [p.stand(f"{n.thing()} = ", f"{pool_name}.submit(len, {one}).result()", [one])])
    p.act([f"for _ in range({size}):", f"    {pool_name}.submit(time.sleep, 0.05)", "time.sleep(0.1)"] + p.launch(child, fn, ["0", "'abc'"]))
    p.act(p.join(child, many=False, mark=False))
    p.blame("thread-lost-in-fork", stuck=["main", "w0"], culprits=["main", "w0"])


@protocol(each_other="join_cycle")
def ends(p):
    """Parties that wait for each other's end."""
    rng, n = p.rng, p.names
    p.choose("thread", "fork", "os.fork") if p.slip else p.choose("thread", "fork")
    number = n.pick(["n", "number"])
    if p.how == "thread":
        a, b, board, me = n.doer(), n.doer(), n.place(), n.verb()
        p.define(f"{board} = {{}}")
        other = n.thing()
        p.function(me, [other], ["time.sleep(0.1)"] + [p.stand(f"", f"{board}[{other}].join()", [other])])
        last = n.verb()
        p.function(last, [other], [SLOW, f"log.debug('%s', {other})"])
        count = rng.randint(2, 4)
        p.act([f"for i in range({count}):",
               f"    {board}[i] = threading.Thread(target={me}, args=((i + 1) % {count},))" if p.slip else
               f"    {board}[i] = threading.Thread(target={me} if i else {last}, args=(i - 1,))",
               f"for i in range({count}):", f"    {board}[i].start()"])
        p.act([f"for i in range({count}):", f"    {board}[i].join()"])
        if p.slip:
            p.blame("join-cycle")
        return
    fn, child, watched = n.verb(), p.var(n.doer()), n.thing()
    wait = rng.choice([["watch = select.poll()", f"watch.register({watched}, select.POLLIN)", f"watch.poll(){MARK}"],
                       [f"select.select([{watched}], [], []){MARK}"]])
    body = as_worker(p, number) + ([f"{watched} = os.pidfd_open(os.getppid())"] + wait if p.slip else [SLOW])
    p.function(fn, [number], body)
    p.act(p.launch(child, fn, ["0"]))
    p.act(p.join(child, many=False))
    if p.slip:
        p.blame("join-cycle", stuck=["main", "w0"], culprits=["main", "w0"])


@protocol(opposite="peerless_open")
def fifos(p):
    """Two processes talk over two named pipes."""
    rng, n = p.rng, p.names
    p.choose("fork", "spawn", "forkserver", "os.fork")
    a, b, child, number = n.place(), n.place(), p.var(n.doer()), n.pick(["n", "number"])
    ask, say = n.thing(), n.thing()

    def opened(name, mode, variable):
        return [p.stand(f"{variable} = ", f"open({name!r}, {mode!r})", [], ["open_" + n.thing()])]
    reads = opened(a, "r", ask), opened(b, "w", say)
    fn = p.function(n.verb(), [number], as_worker(p, number) + reads[0] + reads[1] +
                    [f"for line in {ask}:", "    " + SLOW, f"    {say}.write(line)", f"    {say}.flush()"])
    mine = opened(a, "w", say), opened(b, "r", ask)
    p.act([f"os.mkfifo({a!r})", f"os.mkfifo({b!r})"] + p.launch(child, fn, ["0"]))
    p.act((mine[1] + mine[0] if p.slip else mine[0] + mine[1]) +
          [f"{say}.write('hello\\n')", f"{say}.flush()", f"{ask}.readline()", f"{say}.close()"] + p.join(child, many=False, mark=False))
    if p.slip:
        p.blame("peerless-open", stuck=["main", "w0"], culprits=["main", "w0"], verdict="stuck")


@protocol(too_early="signal_never_sent", both="signal_never_sent")
def signals(p):
    """Two processes that tell each other by signals when to go on."""
    rng, n = p.rng, p.names
    p.how = "os.fork"
    child, fn, number, handler = p.var(n.doer()), n.verb(), n.pick(["n", "number"]), n.verb()
    sig = rng.choice(["SIGUSR1", "SIGUSR2"])
    p.function(handler, ["number", "frame"], ["log.debug('%d', number)"])
    way = "sigwait" if not p.slip else rng.choice(["pause", "sigwait"]) if p.slip == "both" else "pause"
    wait = p.stand("", f"signal.sigwait([signal.{sig}])", [], ["await_" + n.thing()]) if way == "sigwait" else \
        p.stand("", "signal.pause()", [], ["await_" + n.thing()])
    before = [f"signal.signal(signal.{sig}, {handler})"] + \
        ([f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{sig}])"] if way == "sigwait" else [])
    tell_parent, tell_child = f"os.kill(os.getppid(), signal.{sig})", f"os.kill({child}, signal.{sig})"
    body = [wait, SLOW, tell_parent] if p.slip != "too-early" else [tell_parent, wait]
    p.function(fn, [number], as_worker(p, number) + body)
    p.act(before + p.launch(child, fn, ["0"]))
    if p.slip == "too-early":
        p.act(["time.sleep(0.3)", wait, tell_child])
    else:
        p.act([wait, tell_child] if p.slip == "both" else [tell_child, wait])
    p.act(p.join(child, many=False, mark=False))
    if p.slip:
        p.blame("signal-never-sent", "mutual-receive", stuck=["main", "w0"], culprits=["main", "w0"] if p.slip == "both" else ["main"],
                verdict="stuck")


@protocol(not_returned="lost_token")
def tokens(p):
    """A pipe holds tokens; who has one may work and puts it back."""
    rng, n = p.rng, p.names
    p.choose("fork", "os.fork")
    count, have = rng.randint(2, 4), rng.randint(1, 2)
    r, w, crew, number, a, b, token = (p.var(n.place()), p.var(n.place()), p.var(n.doer() + "s"), n.pick(["n", "number"]), n.place(),
                                       n.place(), n.thing())
    count = max(count, have + 1)
    leave = rng.choice(["return", "os._exit(1)", "sys.exit(1)"])
    bad = [f"if {number} < {have}:", f"    {leave}"] if p.slip else []
    lag = [f"time.sleep(0.2 * ({number} >= {have}))"] if p.slip else []
    fn = p.function(n.verb(), [number, a, b], as_worker(p, number) + lag +
                    [p.stand(f"{token} = ", f"os.read({a}, 1)", [a])] + bad +
                    [SLOW, f"{n.thing()} = {p.work(number)}", f"os.write({b}, {token})"])
    p.act([f"{r}, {w} = os.pipe()", f"os.write({w}, b'+' * {have})"] + p.launch(crew, fn, ["{n}", r, w], count))
    p.act(p.join(crew, mark=False))
    if p.slip:
        p.blame("lost-token", "lost-worker", stuck=["main", *workers(count - have, have)], culprits=workers(have))


@protocol(crossed="lock_order_cycle", never_set="missed_wakeup", short="missing_sentinel", no_done="unfinished_tasks",
          twice="self_deadlock", too_few="missing_party", dies="missed_wakeup")
def coroutines(p):
    """Tasks of one event loop, in the main thread or in one of its own."""
    rng, n = p.rng, p.names
    p.how = "thread"
    first, second, fn, gather, number, got = n.place(), n.place(), n.verb(), n.verb(), n.pick(["n", "number"]), n.thing()
    nap = ["await asyncio.sleep(0.1)"]

    def below(lock, body, waits=True):
        mark = MARK if waits else ""
        return rng.choice([[f"async with {lock}:{mark}"] + indent(body),
                           [f"await {lock}.acquire(){mark}", "try:"] + indent(body) + ["finally:", f"    {lock}.release()"]])
    rest = ["await asyncio.sleep(0)", SLOW.replace(SLOW, SLOW)]
    count = rng.randint(2, 4)
    slip = p.slip or rng.choice(["crossed", "never-set", "short", "no-done", "too-few"])
    right = p.slip is None
    run = [f"await asyncio.gather(*[{fn}({number}) for {number} in range({count})])"]
    if rng.often():
        run = [f"crew = [asyncio.create_task({fn}({number})) for {number} in range({count})]", "for one in crew:", "    await one"]
    if slip in ("crossed", "twice"):
        lock = rng.choice(["asyncio.Lock()", "asyncio.Lock()", "asyncio.Semaphore(1)"])
        makes = [f"{first} = [{lock} for _ in range({count})]"]
        me, you = (f"{number}", f"({number} + 1) % {count}")
        low, high = (me, you) if not right else (f"min({me}, {you})", f"max({me}, {you})")
        inner = below("high", ["log.debug('both')"] + rest)
        body = [f"low, high = {first}[{low}], {first}[{high}]"] + below("low", nap + inner, waits=False)
        if slip == "twice":
            helper = n.verb()
            p.define("\n".join([f"async def {helper}(lock):"] + indent(below("lock", ["log.debug('inner')"]))))
            body = [f"low = {first}[{number}]"] + below("low", nap + [f"if {number} == 0:", f"    await {helper}(low)"], waits=False)
        accept = ["lock-order-cycle"] if slip == "crossed" else ["self-deadlock"]
    elif slip == "never-set":
        makes = [f"{first} = asyncio.Event()"]
        body = [f"if {number}:", f"    await {first}.wait(){MARK}", "else:"] + indent(nap + rest + ([f"{first}.set()"] if right else ["log.info('no')"]))
        accept = ["missed-wakeup"]
    elif slip == "dies":
        makes = [f"{first} = asyncio.Event()"]
        run = [f"crew = [asyncio.create_task({fn}({number})) for {number} in range({count})]", f"await crew[-1]"]
        body = [f"if {number}:", f"    await {first}.wait(){MARK}", "else:"] + indent(nap + ["{}['gone']", f"{first}.set()"])
        accept = ["missed-wakeup", "lost-worker"]
    elif slip in ("short", "no-done"):
        makes = [f"{first} = asyncio.Queue({rng.choice(['', '', '2'])})"]
        skip = [f"if {got} == 2:", "    continue"] if slip == "no-done" and not right else []
        body = [f"while True:", f"    {got} = await {first}.get(){MARK}", f"    if {got} is None:", "        break"] + indent(skip + rest + [
            f"{first}.task_done()"])
        ends = count - (1 if slip == "short" and not right else 0)
        feed = [f"for one in range(6):", f"    await {first}.put(one)"] + ([f"await {first}.join(){MARK}"] if slip == "no-done" else []) + [
            f"for _ in range({ends}):", f"    await {first}.put(None)"]
        run = [f"crew = [asyncio.create_task({fn}({number})) for {number} in range({count})]"] + feed + ["await asyncio.gather(*crew)"]
        accept = ["missing-sentinel"] if slip == "short" else ["unfinished-tasks"]
    else:
        makes = [f"{first} = asyncio.Barrier({count + (0 if right else 1)})"]
        body = nap + rest + [f"await {first}.wait(){MARK}"]
        accept = ["missing-party"]
    p.define("\n".join([f"async def {fn}({number}):"] + indent(body)))
    p.define("\n".join([f"async def {gather}():", f"    global {first}"] + indent(makes + run)))
    p.define(f"{first} = None")
    if rng.often(0.3):
        thread = p.var(n.doer())
        p.act([f"{thread} = threading.Thread(target=asyncio.run, args=({gather}(),))", f"{thread}.start()", f"{thread}.join()"])
    else:
        p.act([f"asyncio.run({gather}())"])
    if p.slip:
        p.blame(*accept, culprits=[] if slip == "no-done" else ["main"])


@protocol(reader_dies="unclosed_read_end")
def feeding(p):
    """A process writes much into a pipe that a child reads."""
    rng, n = p.rng, p.names
    p.choose("fork", "os.fork")
    kind = rng.choice(["os.pipe", "os.pipe", "Pipe", "socketpair"])
    r, w, child, a, b, number, chunk = (p.var(n.place()), p.var(n.place()), p.var(n.doer()), n.place(), n.place(), n.pick(["n", "number"]),
                                        n.thing())
    close = {"os.pipe": "os.close({})"}.get(kind, "{}.close()")
    fileno = "{}" if kind == "os.pipe" else "{}.fileno()"
    make = {"os.pipe": f"{r}, {w} = os.pipe()", "Pipe": f"{r}, {w} = context.Pipe(duplex=False)",
            "socketpair": f"{r}, {w} = socket.socketpair()"}[kind]
    read = {"os.pipe": f"os.read({a}, 9000)", "Pipe": f"{a}.recv_bytes()", "socketpair": f"{a}.recv(9000)"}[kind]
    write = {"os.pipe": f"os.write({w}, bytes(9000))", "Pipe": f"{w}.send_bytes(bytes(9000))",
             "socketpair": f"{w}.sendall(bytes(9000))"}[kind]
    times = 80
    loop = [SLOW, f"{chunk} = {read}", f"while {chunk}:", f"    {chunk} = {read}"]
    if kind == "Pipe":
        loop = [SLOW, f"for _ in range({times}):", f"    {chunk} = {read}"]
    if p.slip:
        loop = [f"{chunk} = {read}", rng.choice(["os._exit(1)", "return", "os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError(3)"])]
    fn = p.function(n.verb(), [number, a, b], as_worker(p, number) + [close.format(b)] + loop)
    p.act([make] + p.launch(child, fn, ["0", r, w]))
    p.act(([f'role("main", {fileno.format(r)})'] if p.slip else [close.format(r)]) +
          [f"for _ in range({times}):", "    " + p.give(write, w, waits=True)])
    p.act([close.format(w)] + p.join(child, many=False, mark=False))
    if p.slip:
        p.blame("unclosed-read-end", stuck=["main"], culprits=["main"], fd_of="main")


@protocol(leaves_inside="dead_lock_owner")
def slots(p):
    """Threads take turns below a lock, or in a few slots, and not all of them give theirs back."""
    rng, n = p.rng, p.names
    p.how = "thread"
    count = rng.randint(2, 4)
    slot, crew, store, number = p.var(n.place()), p.var(n.doer() + "s"), n.place(), n.pick(["n", "number"])
    maker = rng.choice(["threading.Lock()", "threading.Semaphore(1)", "threading.BoundedSemaphore(1)"])
    inner = [f"{n.thing()} = {p.work(number)}", SLOW]
    if p.slip:
        inner = [f"if {number} == 0:", f"    {way_to_die(p)}"] + inner
        take = [f"{store}.acquire(){MARK}"] + inner + [f"{store}.release()"]
    else:
        take = hold(p, store, inner)
    lag = [f"time.sleep(0.15 * ({number} > 0))"] if p.slip else []
    fn = p.function(n.verb(), [number, store], lag + take)
    p.act([f"{slot} = {maker}"] + p.launch(crew, fn, ["{n}", slot], count))
    p.act(p.join(crew, mark=False))
    if p.slip:
        blame_workers(p, "dead-lock-owner", "lost-token", "lost-worker", who=[], culprits=["c0"])


@protocol(below_it="self_deadlock")
def alarmed(p):
    """The handler of a signal notes something below a lock."""
    rng, n = p.rng, p.names
    p.how, p.may_nest = "thread", False
    lock, handler, ledger = n.place(), n.verb(), n.things()
    p.define(f"{lock} = {rng.choice(['threading.Lock()', 'threading.Lock()', 'multiprocessing.Lock()', 'threading.Semaphore(1)'])}")
    p.define(f"{ledger} = []")
    p.function(handler, ["number", "frame"], hold(p, lock, [f"{ledger}.append(number)"]))
    signal = rng.choice(["SIGALRM", "SIGUSR1"])
    send = "signal.setitimer(signal.ITIMER_REAL, 0.1)" if signal == "SIGALRM" else "os.kill(os.getpid(), signal.SIGUSR1)"
    work = [f"{ledger}.append({p.work('1')})"]
    inside = [send, "time.sleep(0.3)"] if p.slip else []
    p.act([f"signal.signal(signal.{signal}, {handler})"])
    p.act(hold(p, lock, work + inside, waits=False) + ([] if p.slip else [send, "time.sleep(0.3)", SLOW]))
    if p.slip:
        p.blame("self-deadlock")


@protocol(held="lock_held_while_waiting")
def lock_file(p):
    """Who has a lock file starts a process that wants it, and waits for it."""
    rng, n = p.rng, p.names
    p.choose("fork", "spawn", "forkserver", "os.fork")
    path, mine, its, number, where, child = n.thing() + ".lock", p.var(n.place()), n.place(), n.pick(["n", "number"]), n.place(), p.var(n.doer())
    call = rng.choice(["flock", "lockf"])
    fn = p.function(n.verb(), [number, where], as_worker(p, number) + [f"with open({where}, 'a') as {its}:"] +
                    indent([p.stand("", f"fcntl.{call}({its}, fcntl.LOCK_EX)", [its], ["lock_file", "take_file", "claim"]), SLOW,
                            f"{its}.write('mine')"]))
    p.act([f"{mine} = open({path!r}, 'a')", f"fcntl.{call}({mine}, fcntl.LOCK_EX)", f"{mine}.write('begun')"] +
          ([] if p.slip else [f"{mine}.close()"]) + p.launch(child, fn, ["0", repr(path)]))
    p.act(p.join(child, many=False))
    if p.slip:
        p.act([f"{mine}.close()"])
        p.blame("lock-held-while-waiting", stuck=["main", "w0"], culprits=["main"])


@protocol(set_after="missed_wakeup")
def staged(p):
    """Tasks of an executor wait for a sign of the main thread."""
    rng, n = p.rng, p.names
    p.how = "thread"
    sign, fn, number, pool, got = n.place(), n.verb(), n.pick(["n", "number"]), n.doer(), n.things()
    size = rng.randint(2, 4)
    p.define(f"{sign} = threading.Event()")
    p.function(fn, [number], [p.stand("", f"{sign}.wait()", [], ["until", "hold_on"]), SLOW, f"return {p.work(number)}"])
    inside = [f"{got} = [{pool}.submit({fn}, i) for i in range({size})]"]
    head = f"with concurrent.futures.ThreadPoolExecutor({size}) as {pool}:{MARK}"
    p.act([head] + indent(inside) + [f"{sign}.set()"] if p.slip else [head] + indent(inside + [f"{sign}.set()"]))
    if p.slip:
        p.blame("missed-wakeup", "join-cycle")


@protocol(short="missing_sentinel", worker_dies="lost_worker")
def shelf(p):
    """Workers take jobs from a queue of a manager, and put what they made into another one."""
    rng, n = p.rng, p.names
    p.choose("fork", "spawn", "forkserver")
    count, total = rng.randint(1, 3), rng.randint(3, 8)
    hub, jobs, results, crew, got = p.var(n.place()), p.var(n.things()), p.var(n.things()), p.var(n.doer() + "s"), p.var(n.things())
    a, b, item, number = n.things(), n.things(), n.thing(), n.pick(["n", "number"])
    body = [SLOW] + ([f"if {item} == {rng.randint(0, total - 1)}:"] + indent(death(p)) if p.slip == "worker-dies" else [])
    fn = p.function(n.verb(), [number, a, b], as_worker(p, number) + p.loop_over(item, f"{a}.get", [a], body + [f"{b}.put({p.work(item)})"]))
    p.act([f"{hub} = context.Manager()", f"{jobs}, {results} = {hub}.Queue(), {hub}.Queue()"] + p.launch(crew, fn, ["{n}", jobs, results], count))
    sentinels = count if p.slip != "short" else rng.randint(0, count - 1)
    p.act([f"for one in range({total}):", f"    {jobs}.put(one)"] + ([f"for _ in range({sentinels}):", f"    {jobs}.put(None)"] if sentinels else []))
    p.act([p.stand(f"{got} = ", f"[{results}.get() for _ in range({total})]", [results], ["all_of", "collect"])])
    p.act(p.join(crew))
    p.act([f"{hub}.shutdown()"])
    if p.slip == "short":
        p.blame("missing-sentinel", stuck=["main", *workers(count)], culprits=["main"])
    elif p.slip:
        p.blame("lost-worker", stuck=["main", *workers(count)], culprits=["c0"])


def write(rng, function, slip, nap):
    """The text of one program, its truth."""
    p = Py(rng, slip)
    function(p)
    text, lines = p.compose(nap)
    p.truth.lines = lines
    return text, p.truth
