"""Builds one Python program: how parties start and are joined, how calls are written, everyday noise."""
import re

from program import GIVES, MARK, SLOW, TAKES, Names, Truth, block, finish, weighted

NAPS = [["time.sleep(%s)"], ["threading.Event().wait(%s)"], ["select.select([], [], [], %s)"],
        ["subprocess.run(['sleep', '%s'])"], ["subprocess.call(['sleep', '%s'])"],
        ["late = time.monotonic() + %s", "while time.monotonic() < late:", "    time.sleep(0.3)"]]

TIMED = """
    def {name}():
        {count} = 0
        while True:
            time.sleep({pause})
            {count} += 1
"""
STOPPABLE = """
    def {name}(over={stop}):
        while not over.wait({pause}):
            log.debug("still here")
"""


class Py:
    def __init__(self, rng, slip):
        self.rng, self.slip, self.names = rng, slip, Names(rng)
        self.top, self.acts, self.before, self.variables = [], [], [], []
        self.style = weighted(rng, {"plain": 4, "class": 3, "globals": 2})
        self.how = "thread"
        self.truth = Truth("healthy", [], [], [])
        self.may_nest = True

    # -- what the protocols write with

    def choose(self, *hows):
        """How the parties run: thread, fork, spawn, forkserver, os.fork."""
        self.how = self.rng.choice(hows)
        return self.how

    @property
    def processes(self):
        return self.how != "thread"

    @property
    def shares_memory_at_start(self):
        return self.how in ("thread", "fork", "os.fork")

    def blame(self, *accept, stuck=("main",), culprits=("main",), verdict="deadlock", fd_of=""):
        self.truth = Truth(verdict, list(accept), list(stuck), list(culprits), fd_of=fd_of)

    def var(self, name):
        """A variable of the main party that outlives one act."""
        if self.style == "class":
            return "self." + name
        self.variables.append(name)
        return name

    def act(self, text, depth=0):
        self.acts.append(block(text, depth) if isinstance(text, str) else text)

    def define(self, text):
        self.top.append(block(text))

    def function(self, name, parameters, body):
        self.top.append([f"def {name}({', '.join(parameters)}):"] + ["    " + line for line in body])
        return name

    def slow(self):
        return SLOW

    def via(self, expression, arguments, words=TAKES, name=None):
        """The expression, often behind one or two helpers; MARK goes to the line that waits."""
        depth = weighted(self.rng, {0: 5, 1: 3, 2: 1})
        for level in range(depth):
            helper = name or self.names.pick(words)
            formal = [self.names.thing() for _ in arguments]
            inner = expression
            for actual, new in zip(arguments, formal):
                inner = replace_name(inner, actual, new)
            mark = MARK if level == 0 else ""
            body = self.rng.choice([[f"return {inner}{mark}"], [f"got = {inner}{mark}", "return got"],
                                    ["try:", f"    return {inner}{mark}", "finally:", "    pass"]])
            self.function(helper, formal, body)
            expression = f"{helper}({', '.join(arguments)})"
        return expression, ("" if depth else MARK)

    def take(self, expression, *arguments):
        return "".join(self.via(expression, arguments))

    def stand(self, before, expression, arguments=(), words=TAKES):
        """A statement in which somebody waits: `before` + the expression."""
        text, mark = self.via(expression, arguments, words)
        return f"{before}{text}{mark}"

    def give(self, expression, *arguments, waits=False):
        text, mark = self.via(expression, arguments, GIVES)
        return text + (mark if waits else "")

    def loop_over(self, variable, getter, arguments, body, end="None"):
        """A loop that takes until the sentinel comes, in one of the ways that people write it."""
        form = weighted(self.rng, {"iter": 2, "break": 4, "walrus": 2, "return": 2})
        if form == "iter" and len(arguments) == 1:
            return [f"for {variable} in iter({getter}, {end}):{MARK}"] + ["    " + b for b in body]
        text, mark = self.via(getter + "()", arguments)
        if form == "walrus":
            return [f"while ({variable} := {text}) is not {end}:{mark}"] + ["    " + b for b in body]
        out = "return" if form == "return" else "break"
        return ["while True:", f"    {variable} = {text}{mark}", f"    if {variable} is {end}:", f"        {out}"] + \
               ["    " + b for b in body]

    def work(self, expression):
        """Something that costs nothing to be done with a value."""
        plain = [f"{expression} * 2", f"({expression}, 1)", f"str({expression})", f"[{expression}] * 3",
                 f"{{'value': {expression}}}"]
        if self.rng.often(0.4):
            name = self.names.verb()
            argument = self.names.thing()
            body = self.rng.choice([[f"return {argument}"], [f"if not {argument}:", "    return 0", f"return {argument}"],
                                    ["total = 0", "for step in range(20):", "    total += step", f"return {argument}, total"]])
            self.function(name, [argument], body)
            return f"{name}({expression})"
        return self.rng.choice(plain)

    # -- parties

    def make(self, kind):
        """threading's or multiprocessing's Lock, Event, Barrier(2), ..."""
        return ("threading." if not self.processes else "context.") + kind

    def context(self):
        return [f'context = multiprocessing.get_context("{"fork" if self.how == "os.fork" else self.how}")'] \
            if self.processes else []

    def launch(self, crew, function, arguments, count=None, first=0):
        """Starts one party, or `count`; the variable `crew` is its handle, or the list of them. {n} is the number."""
        many = count is not None
        index = self.names.pick(["n", "i", "k", "rank", "slot"]) if many else "n"
        arguments = [a.replace("{n}", index) for a in arguments]
        one = self.names.thing()
        listed = "".join(a + ", " for a in arguments)
        loop = f"for {index} in range({first}, {first + count}):" if many and first else \
            f"for {index} in range({count}):" if many else ""
        if self.how == "os.fork":
            body = [f"{one} = os.fork()", f"if {one} == 0:", "    try:", f"        {function}({', '.join(arguments)})",
                    "    finally:", "        os._exit(0)"]
            if not many:
                return body + [f"{crew} = {one}"]
            return [f"{crew} = []", loop] + ["    " + b for b in body + [f"{crew}.append({one})"]]
        base = "threading.Thread" if self.how == "thread" else "context.Process"
        form = weighted(self.rng, {"plain": 5, "partial": 1, "subclass": 2})
        if form == "subclass":
            name = self.names.doer().title().replace("_", "")
            parent = {"thread": "threading.Thread", "fork": "multiprocessing.context.ForkProcess",
                      "spawn": "multiprocessing.context.SpawnProcess",
                      "forkserver": "multiprocessing.context.ForkServerProcess"}[self.how]
            fields = [self.names.thing() for _ in arguments]
            self.top.append([f"class {name}({parent}):", f"    def __init__(self, {', '.join(fields)}):",
                             "        super().__init__()"] + [f"        self.{f} = {f}" for f in fields] +
                            ["", "    def run(self):", f"        {function}({', '.join('self.' + f for f in fields)})"])
            make = f"{name}({', '.join(arguments)})"
        elif form == "partial":
            make = f"{base}(target=functools.partial({function}, {listed.rstrip(', ')}))"
        else:
            make = f"{base}(target={function}, args=({listed}))"
        if not many:
            return [f"{crew} = {make}", f"{crew}.start()"]
        if self.rng.often(0.4):
            return [f"{crew} = [{make} {loop[:-1]}]", f"for {one} in {crew}:", f"    {one}.start()"]
        return [f"{crew} = []", loop, f"    {one} = {make}", f"    {one}.start()", f"    {crew}.append({one})"]

    def join(self, crew, many=True, mark=True):
        one = self.names.thing()
        loop, target = ([f"for {one} in {crew}:"], one) if many else ([], crew)
        if self.how == "os.fork":
            line = self.stand("", f"os.waitpid({target}, 0)", [target], ["reap", "wait_for", "see_off", "collect"])
        else:
            line = self.stand("", f"{target}.join()", [target], ["wait_for", "see_off", "finish", "settle"])
        line = line if mark else line.replace(MARK, "")
        return loop + ["    " * len(loop) + line]

    # -- everyday noise

    def noise(self):
        count = weighted(self.rng, {0: 3, 1: 3, 2: 3, 3: 1})
        kinds = {"beat": 4, "stoppable": 3, "idle": 2, "flag": 3, "exit": 2, "usr1": 1, "executor": 2, "listener": 1,
                 "timer": 1, "log": 4, "child": 1, "loop": 1, "atexit": 2, "server": 0.5}
        lines = []
        for kind in dict.fromkeys(weighted(self.rng, kinds) for _ in range(count)):
            lines += self.one_noise(kind)
        return lines

    def one_noise(self, kind):
        name, other = self.names.verb(), self.names.thing()
        daemon = f"threading.Thread(target={name}, daemon=True).start()"
        pause = self.rng.choice(["0.4", "0.5", "1", "2"])
        if kind == "beat":
            self.define(TIMED.format(name=name, count=other, pause=pause))
            return [daemon]
        if kind == "stoppable":
            self.define(f"{other} = threading.Event()")
            self.define(STOPPABLE.format(name=name, stop=other, pause=pause))
            return [daemon]
        if kind == "idle":
            self.define(f"{other} = queue.{self.rng.choice(['Queue', 'SimpleQueue'])}()")
            self.function(name, [], ["while True:", f"    item = {other}.get()", "    log.info('took %s', item)"])
            return [daemon]
        if kind == "flag":
            self.define(f"{other} = []")
            self.function(name, ["number", "frame"], [f"{other}.append(number)"])
            return [f"signal.signal(signal.{self.rng.choice(['SIGTERM', 'SIGHUP', 'SIGUSR1'])}, {name})"]
        if kind == "exit":
            self.function(name, ["number", "frame"], self.rng.choice([["sys.exit(1)"], ["raise KeyboardInterrupt"],
                                                                      ["raise SystemExit(128 + number)"]]))
            return [f"signal.signal(signal.SIGTERM, {name})"]
        if kind == "usr1":
            return ["faulthandler.enable()", "faulthandler.register(signal.SIGUSR1)"]
        if kind == "executor":
            return [f"{other} = concurrent.futures.ThreadPoolExecutor(2)", f"{other}.submit(len, 'abc').result()"]
        if kind == "listener":
            return [f"{other} = queue.Queue()", f"{name} = logging.handlers.QueueListener({other}, logging.StreamHandler())",
                    f"{name}.start()", f"log.addHandler(logging.handlers.QueueHandler({other}))"]
        if kind == "timer":
            return [f"{other} = threading.Timer(3600, log.info, ['an hour'])", f"{other}.daemon = True", f"{other}.start()"]
        if kind == "log":
            return ["logging.basicConfig(level=logging.INFO)", "log.info('up')"]
        if kind == "child":
            return [f"{other} = subprocess.Popen(['sleep', '3000'])", f"atexit.register({other}.kill)"]
        if kind == "loop":
            return [f"{other} = asyncio.new_event_loop()",
                    f"threading.Thread(target={other}.run_forever, daemon=True).start()"]
        if kind == "server":
            return [f"{other} = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)",
                    f"threading.Thread(target={other}.serve_forever, daemon=True).start()"]
        return ["atexit.register(log.info, 'bye')"]

    # -- the whole

    def compose(self, nap):
        """The program's text, and the lines where somebody stands; `nap` seconds are slept in one place, 0 in none."""
        rng = self.rng
        noise = self.noise()
        early = rng.often(0.6)
        acts = [self.context() + (noise if early else [])] + self.acts
        if not early:
            acts[1] = acts[1] + noise
        body = {"plain": self.plain, "class": self.in_class, "globals": self.in_globals}[self.style](acts)
        rng.shuffle(self.top)
        self.top.sort(key=lambda lines: not lines[0].startswith(("import", "from")) and "class" not in lines[0] and
                      "=" not in lines[0].split("(")[0])
        order = [lines for lines in self.top if not lines[0].startswith("class")]
        order += [lines for lines in self.top if lines[0].startswith("class")]
        lines = ["log = logging.getLogger('app')", ""] + block(ROLE) + [""]
        if self.style != "class" and self.processes:
            lines += ["context = None", ""]
        for part in order + body:
            lines += [""] + part + [""]
        nest = self.may_nest and rng.often(0.12)
        lines += ["", 'if __name__ == "__main__":'] + block(self.entry(nest), 1)
        if nest:
            self.truth.stuck.append("outer")
        pieces = [piece.replace("%s", str(nap)) for piece in rng.choice(NAPS)] if nap else []
        text = "\n".join(lines + pieces)
        imports = ["import " + module for module in MODULES if module + "." in text]
        return finish(imports + [""] + lines, rng, pieces)

    def entry(self, nest):
        if not nest:
            return "main()"
        if self.rng.often():
            return """
                if sys.argv[1:] == ["inner"]:
                    main()
                else:
                    role("outer")
                    sys.exit(subprocess.run([sys.executable, sys.argv[0], "inner"]).returncode)
            """
        return """
            role("outer")
            inner = multiprocessing.get_context("fork").Process(target=main)
            inner.start()
            inner.join()
            sys.exit(inner.exitcode)
        """

    def plain(self, acts):
        lines = ["def main():", '    role("main")']
        if self.processes:
            lines.append("    global context")
        return [lines + ["    " + line for act in acts for line in act]]

    def in_globals(self, acts):
        names = ", ".join(sorted({*self.variables, *(["context"] if self.processes else [])}))
        declared = [f"    global {names}"] if names else []
        parts, calls = [], []
        for act in acts:
            if act:
                calls.append(self.names.verb())
                parts.append([f"def {calls[-1]}():"] + declared + ["    " + line for line in act])
        return parts + [["def main():", '    role("main")'] + [f"    {call}()" for call in calls]]

    def in_class(self, acts):
        name = self.names.thing().title().replace("_", "") + self.rng.choice(["Farm", "Hub", "Service", "Job", "Runner"])
        lines, calls = [f"class {name}:"], []
        for i, act in enumerate(a for a in acts if a):
            calls.append("__init__" if i == 0 and self.rng.often() else self.names.verb())
            lines += [f"    def {calls[-1]}(self):"] + ["        " + line for line in act] + [""]
        if self.processes:  # a context is no field: what starts processes names it as a global
            lines = [line for part in lines for line in
                     ([part, "        global context"] if part.startswith("    def ") else [part])]
        run = self.names.verb()
        lines += [f"    def {run}(self):", "        pass"] + [f"        self.{call}()" for call in calls if call != "__init__"]
        return [lines, ["def main():", '    role("main")', f"    {name}().{run}()"]]


def replace_name(text, old, new):
    """Replaces a variable, which may be a field."""
    return re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new, text)


MODULES = """array asyncio atexit concurrent.futures faulthandler fcntl functools http.server itertools logging
logging.handlers multiprocessing multiprocessing.connection os queue random select signal socket struct subprocess sys
threading time""".split()

ROLE = """
    def role(name, fd=-1):
        with open(os.environ["CENSUS_ROLES"], "a") as file:
            file.write(f"{name} {os.getpid()} {fd}\\n")
"""
