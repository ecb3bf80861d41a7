"""Builds one C program: parties as threads or forked children, locks and helpers as people write them, everyday noise."""
import re

from program import MARK, SLOW, TAKES, Names, Truth, block, finish, weighted

INCLUDES = """errno.h fcntl.h poll.h pthread.h semaphore.h signal.h stdio.h stdlib.h string.h sys/eventfd.h sys/file.h
sys/ipc.h sys/mman.h sys/msg.h sys/select.h sys/sem.h sys/shm.h sys/socket.h sys/stat.h sys/time.h sys/types.h sys/un.h sys/wait.h
time.h unistd.h""".split()

NAPS = [["sleep(%s);"], ["nanosleep(&(struct timespec){%s, 0}, NULL);"], ["poll(NULL, 0, %s * 1000);"],
        ["usleep(%s * 1000000u);"], ["select(0, NULL, NULL, NULL, &(struct timeval){%s, 0});"]]
SHORT_NAPS = [["usleep(50000);"], ["poll(NULL, 0, 50);"]]

ROLE = """
    static void role(const char *name, int fd)
    {
        char line[80];
        int log = open(getenv("CENSUS_ROLES"), O_WRONLY | O_APPEND);
        int size = snprintf(line, sizeof line, "%s %d %d\\n", name, (int)getpid(), fd);
        if (write(log, line, size) != size)
            abort();
        close(log);
    }
"""


class C:
    def __init__(self, rng, slip):
        self.rng, self.slip, self.names = rng, slip, Names(rng)
        self.types, self.globals, self.functions, self.body = [], [], [], []
        self.headers = []  # of C++
        self.how = "thread"
        self.truth = Truth("healthy", [], [], [])
        self.where = ""  # before each object that the parties share: "" or "shared->"

    def choose(self, *hows):
        self.how = self.rng.choice(hows)
        return self.how

    @property
    def processes(self):
        return self.how != "thread"

    def blame(self, *accept, stuck=("main",), culprits=("main",), verdict="deadlock", fd_of=""):
        self.truth = Truth(verdict, list(accept), list(stuck), list(culprits), fd_of=fd_of)

    def act(self, *lines):
        self.body += lines

    def function(self, head, body):
        self.functions.append([head, "{"] + ["    " + line for line in body] + ["}"])

    def share(self, *fields):
        """Declares objects that all parties use: globals, for processes in a page that is mapped shared."""
        if not self.processes:
            self.globals += ["static " + field for field in fields]
            return [""] * 0
        page = self.names.thing()
        self.types.append([f"struct {page} {{"] + ["    " + field for field in fields] + ["};"])
        self.globals.append(f"static struct {page} *shared;")
        self.where = "shared->"
        return [f"shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);"]

    def at(self, name):
        return self.where + name

    def call(self, expression, parameters, kind="int", words=TAKES):
        """The expression, often behind a helper. parameters: [(type, actual)]"""
        depth = weighted(self.rng, {0: 5, 1: 3, 2: 1})
        for level in range(depth):
            helper = self.names.pick(words)
            formal = [(t, a, self.names.thing()) for t, a in parameters]
            # all at once, and whole names only: one may begin another
            names = {actual: new for _, actual, new in formal}
            longest_first = "|".join(re.escape(a) for a in sorted(names, key=len, reverse=True))
            inner = re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda m: names[m.group()], expression) if names else expression
            mark = MARK if level == 0 else ""
            head = f"static {kind} {helper}({', '.join(f'{t} {n}' for t, _, n in formal) or 'void'})"
            body = [f"return {inner};{mark}"] if kind != "void" else [f"{inner};{mark}"]
            if kind != "void" and self.rng.often(0.3):
                body = [f"{kind} got = {inner};{mark}", "return got;"]
            self.function(head, body)
            expression = f"{helper}({', '.join(a for _, a in parameters)})"
        return expression, ("" if depth else MARK)

    def stand(self, before, expression, parameters=(), kind="int", words=TAKES):
        text, mark = self.call(expression, list(parameters), kind, words)
        return f"{before}{text};{mark}"

    # -- parties

    def parties(self, function, count, body, number="n", wait=True):
        """Defines what a party does and starts `count` of them; returns the lines that wait for all."""
        head = f"static void *{function}(void *argument)" if not self.processes else f"static void {function}(int {number})"
        start = [f"int {number} = (int)(long)argument;"] if not self.processes else [f'role((char[]){{\'w\', \'0\' + {number}, 0}}, -1);']
        self.function(head, start + body + (["return NULL;"] if not self.processes else []))
        crew, i = self.names.doer() + "s", self.rng.choice(["i", "k", "j"])
        if not self.processes:
            self.globals.append(f"static pthread_t {crew}[{count}];")
            self.act(f"for (long {i} = 0; {i} < {count}; {i}++)",
                     f"    pthread_create(&{crew}[{i}], NULL, {function}, (void *){i});")
            return [f"for (int {i} = 0; {i} < {count}; {i}++)",
                    "    " + self.stand("", f"pthread_join({crew}[{i}], NULL)", [("pthread_t", f"{crew}[{i}]")])]
        self.globals.append(f"static pid_t {crew}[{count}];")
        self.act(f"for (int {i} = 0; {i} < {count}; {i}++) {{", f"    {crew}[{i}] = fork();", f"    if ({crew}[{i}] == 0) {{",
                 f"        {function}({i});", "        exit(0);", "    }", "}")
        self.crew = crew
        if self.rng.often(0.4):
            return [f"while (wait(NULL) > 0)" + MARK, "    ;"]
        return [f"for (int {i} = 0; {i} < {count}; {i}++)",
                "    " + self.stand("", f"waitpid({crew}[{i}], NULL, 0)", [("pid_t", f"{crew}[{i}]")])]

    def spawn(self, function, parameters, actual, body, role, pid=None):
        """One forked child with a body of its own."""
        self.function(f"static void {function}({parameters or 'void'})", [f'role("{role}", -1);'] + body if role else body)
        pid = pid or self.names.doer()
        self.act(f"pid_t {pid} = fork();", f"if ({pid} == 0) {{", f"    {function}({actual});", "    exit(0);", "}")
        return pid

    def reap(self, pid):
        return self.stand("", f"waitpid({pid}, NULL, 0)", [("pid_t", pid)])

    # -- locks

    def lock_kind(self):
        return weighted(self.rng, {"mutex": 5, "recursive": 1, "rwlock": 2})

    def lock(self, kind, expression):
        """(lock, unlock) of a pointer expression."""
        if kind == "rwlock":
            return f"pthread_rwlock_wrlock({expression})", f"pthread_rwlock_unlock({expression})"
        return f"pthread_mutex_lock({expression})", f"pthread_mutex_unlock({expression})"

    def init(self, kind, expression):
        what = "rwlock" if kind == "rwlock" else "mutex"
        name = self.names.pick(["attr", "how", "kind", "mode"])
        lines = []
        if self.processes:
            lines.append(f"pthread_{what}attr_setpshared(&{name}, PTHREAD_PROCESS_SHARED);")
        if kind == "recursive":
            lines.append(f"pthread_mutexattr_settype(&{name}, PTHREAD_MUTEX_RECURSIVE);")
        if not lines:
            return [f"pthread_{what}_init({expression}, NULL);"]
        return [f"pthread_{what}attr_t {name};", f"pthread_{what}attr_init(&{name});", *lines,
                f"pthread_{what}_init({expression}, &{name});"]

    # -- everyday noise

    def noise(self):
        kinds = {"beat": 4, "flag": 3, "idle": 2, "pipe": 2, "term": 1, "listen": 0.5}
        count = weighted(self.rng, {0: 3, 1: 3, 2: 2})
        lines = []
        for kind in dict.fromkeys(weighted(self.rng, kinds) for _ in range(count)):
            lines += self.one_noise(kind)
        return lines

    def one_noise(self, kind):
        name, other, third = self.names.verb(), self.names.thing(), self.names.place()
        start = [f"pthread_t {other}_thread;", f"pthread_create(&{other}_thread, NULL, {name}, NULL);", f"pthread_detach({other}_thread);"]
        if kind == "beat":
            self.globals.append(f"static volatile long {other};")
            self.function(f"static void *{name}(void *unused)", ["for (;;) {", self.rng.choice(
                ["    sleep(1);", "    usleep(400000);", "    nanosleep(&(struct timespec){0, 500000000}, NULL);"]), f"    {other}++;", "}",
                "return unused;"])
            return start
        if kind == "idle":
            self.globals += [f"static pthread_mutex_t {other} = PTHREAD_MUTEX_INITIALIZER;",
                             f"static pthread_cond_t {third} = PTHREAD_COND_INITIALIZER;", f"static int {third}_work;"]
            self.function(f"static void *{name}(void *unused)", [f"pthread_mutex_lock(&{other});", f"while (!{third}_work)",
                                                                 f"    pthread_cond_wait(&{third}, &{other});",
                                                                 f"pthread_mutex_unlock(&{other});", "return unused;"])
            return start
        if kind == "flag":
            self.globals.append(f"static volatile sig_atomic_t {other};")
            self.function(f"static void {name}(int number)", [f"{other} = number;"])
            sig = self.rng.choice(["SIGTERM", "SIGHUP", "SIGUSR1"])
            return [f"struct sigaction {third} = {{}};", f"{third}.sa_handler = {name};", f"{third}.sa_flags = SA_RESTART;",
                    f"sigaction({sig}, &{third}, NULL);"]
        if kind == "term":
            self.function(f"static void {name}(int number)", ["_exit(128 + number);"])
            return [f"signal(SIGTERM, {name});"]
        if kind == "listen":
            return [f"int {other} = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);", f"listen({other}, 5);"]
        return ["signal(SIGPIPE, SIG_IGN);"]

    def compose(self, nap):
        noise = self.noise() if self.noisy else []
        head = ["#define _GNU_SOURCE"] * (not self.headers) + [f"#include <{name}>" for name in INCLUDES + self.headers] + [""] + block(ROLE) + [""]
        lines = head
        for part in self.types:
            lines += part + [""]
        lines += self.globals + [""]
        for part in self.functions:
            lines += part + [""]
        early = self.rng.often(0.6)
        body = (noise if early else []) + self.body
        if not early:
            place = self.noise_place if self.noise_place is not None else 0
            body = self.body[:place] + noise + self.body[place:]
        lines += ["int main(void)", "{", '    role("main", -1);'] + ["    " + line for line in body] + ["    return 0;", "}"]
        if nap and nap < 1:
            pieces = self.rng.choice(SHORT_NAPS)
        else:
            pieces = [piece.replace("%s", str(nap)) for piece in self.rng.choice(NAPS)] if nap else []
        return finish(lines, self.rng, pieces)

    noisy = True
    noise_place = None
