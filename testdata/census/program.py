"""What all generators share: names, a source with marked lines, and what is true of a program.

A line that ends in MARK is one where somebody stands who hangs or is to blame. A line with SLOW is a place where a
healthy program may take its time; where a mistake is planted, nobody does.
"""
import dataclasses
import random
import textwrap

MARK, SLOW = " §", "%slow%"

NOUNS = """order frame row batch record chunk parcel ticket page shard block cell entry event score tile token letter
metric packet photo probe quote reading report sample slice song span stock task track trade unit view voice word
image invoice layer member message node part patch point query region request route scene segment step story""".split()
VERBS = """crunch digest fold grade hash index level mark merge mix pack parse plan press print prune rank render resize
route scan score shape sift solve sort split stamp sum sweep tag tally trim tune verify weigh wrap""".split()
TAKES = "fetch pull receive take_in next_of grab obtain pop_one read_one await_one".split()
GIVES = "send_off emit push deliver hand_over submit_to post_to pass_on publish store".split()
DOERS = """worker crew reader writer runner agent clerk porter broker keeper drone miner baker cook scout smith
courier driver editor farmer guard helper loader mason miller packer pilot ranger sailor sorter tailor weaver""".split()
PLACES = "desk shelf belt bay dock lane hub line slot tray yard gate hall post rail ramp room stand store stage".split()


@dataclasses.dataclass
class Truth:
    verdict: str  # of the report, "healthy" without a mistake
    accept: list  # classes, the best first
    stuck: list  # roles
    culprits: list  # roles; of the dead ones a report need not know
    lines: list = dataclasses.field(default_factory=list)
    fd_of: str = ""  # the role whose logged descriptor is to be named


class Names:
    def __init__(self, rng):
        self.rng, self.used = rng, set()

    def pick(self, *kinds):
        """A fresh identifier of one word, or of a word of each kind."""
        while True:
            name = "_".join(self.rng.choice(kind) for kind in kinds)
            if len(kinds) == 1 and self.rng.random() < 0.3:
                name += self.rng.choice(["_a", "_b", "_x", "_in", "_of", "2", "_main", "_now"])
            if name not in self.used and name not in {"print", "sum", "hash", "index", "sort"}:
                self.used.add(name)
                return name

    def thing(self):
        return self.pick(NOUNS)

    def things(self):
        return self.pick(NOUNS) + "s"

    def place(self):
        return self.pick(NOUNS, PLACES)

    def doer(self):
        return self.pick(DOERS)

    def verb(self):
        return self.pick(VERBS, NOUNS)


def block(text, depth=0):
    return textwrap.indent(textwrap.dedent(text).strip("\n"), "    " * depth).split("\n") if text else []


def indent(lines, depth=1):
    return ["    " * depth + line for line in lines]


def workers(count, first=0):
    return [f"w{n}" for n in range(first, first + count)]


class Protocols(list):
    """Functions of a builder, each with {slip: class} of the mistakes that it can plant."""

    def protocol(self, **mistakes):
        def register(function):
            self.append((function, {slip.replace("_", "-"): name.replace("_", "-") for slip, name in mistakes.items()}))
            return function
        return register


def weighted(rng, table):
    return rng.choices(list(table), weights=list(table.values()))[0]


def finish(lines, rng, nap):
    """The text without marks, and the numbers of the lines that had one. `nap` makes the lines of one slow place."""
    slow = [i for i, line in enumerate(lines) if SLOW in line]
    chosen = rng.choice(slow) if slow and nap else None
    text, marked = [], []
    for i, line in enumerate(lines):
        if SLOW in line:
            if i == chosen:
                text += [line.replace(SLOW, piece) for piece in nap]
            continue
        if line.endswith(MARK):
            line = line[: -len(MARK)]
            marked.append(len(text) + 1)
        text.append(line)
    return "\n".join(text) + "\n", marked


class Rng(random.Random):
    def often(self, share=0.5):
        return self.random() < share
