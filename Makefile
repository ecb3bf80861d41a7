# A thin front over CMake. `make` alone lists the targets.
BUILD ?= build
JOBS := $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
# Programs with their truth, and a benchmark, that are kept outside of this repository.
CORPUS ?=
SCORED ?=
# What of it is right at least, and what noise is made beside it.
FLOOR ?= testdata/corpus-floor.json
NOISE ?= heartbeat
BENCH ?=
# Which Debian suites `make test-pythons`, `test-runtimes` and `test-libcs` take; all that they know by default.
SUITES ?=
# What `make run-overhead` times.
RUN_COMMAND ?= sh -c 'cd $(BUILD) && ctest -j$(JOBS) -L unit'
# How long each target of `make fuzz` runs, and which; all by default.
MINUTES ?= 5
FUZZ ?=
# How many random programs `make soundness` and `make census` run, and which ones the census.
N ?= 300
SEED ?= 1

CMAKE_FLAGS ?=
configure = cmake -S . -B $(1) $(if $(shell command -v ninja),-G Ninja) $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache) -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(CMAKE_FLAGS) $(2) >/dev/null
compile = CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) cmake --build $(1)
sources = $(shell git ls-files 'cmd/*.cpp' 'cmd/*.h' 'lib/*.cpp' 'lib/*.h' 'probes/*.cpp' 'probes/*.h')

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/  \1\t/' | expand -t 18

setup:           ## install the packages that build and tests need (apt-get)
	@.ci/setup

build: setup     ## build/bin/ipcdoctor and everything else
	@$(call configure,$(BUILD),-DIPCDOCTOR_TESTS=ON)
	@$(call compile,$(BUILD))

# Without the tests and what they need, unless this folder has them already.
product:
	@ONLY_BUILD=1 .ci/progress "installing packages" .ci/setup
	@test -e $(BUILD)/CMakeCache.txt || $(call configure,$(BUILD),-DIPCDOCTOR_TESTS=OFF)
	@CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) .ci/progress building cmake --build $(BUILD) --target product

demo: product    ## build it, then diagnose a program that hangs on purpose
	@$(BUILD)/bin/ipcdoctor demo; test $$? -le 1

static: product  ## build/static/ipcdoctor: one file that runs on any Linux since 4.18, x86-64
	@.ci/progress linking cmake --build $(BUILD) --target ipcdoctor-static
	@ls -l $(BUILD)/static/ipcdoctor

# ccache's base_dir would change the names of files that assert() leaves in the program.
release:         ## dist/: the static binary, and packages of it for dpkg, rpm, pip and npm (RELEASING.md)
	@ONLY_BUILD=1 .ci/setup python3 dpkg rpm
	@CCACHE_BASEDIR= $(MAKE) --no-print-directory static >/dev/null
	@packaging/release $(BUILD) dist

# Most of them wait for a program to hang.
test: build      ## all tests; those with real processes too
	@cd $(BUILD) && ctest --output-on-failure -j $$((2 * $(JOBS)))

test-live: build ## only the tests with real processes
	@cd $(BUILD) && ctest --output-on-failure -L live

check: CMAKE_FLAGS += -DIPCDOCTOR_WERROR=ON
check: test man-check lint  ## what a change must pass: no warnings, tests, lint, man pages

lint:            ## clang-tidy (OPTIONAL=1 .ci/setup installs it)
	@$(call configure,$(BUILD))
	@run-clang-tidy-16 -quiet -p $(BUILD) -j $(JOBS) '$(CURDIR)/(cmd|lib|probes)/.*\.cpp$$'

format:          ## clang-format on all C++
	@clang-format -i $(sources)

asan: setup      ## with AddressSanitizer and UndefinedBehaviorSanitizer: unit tests, and attaching to what hangs
	@$(call configure,$(BUILD)-asan,-DIPCDOCTOR_SANITIZE=ON)
	@$(call compile,$(BUILD)-asan)
	@cd $(BUILD)-asan && ctest --output-on-failure -j $(JOBS) -L 'unit|fuzz'
	@$(BUILD)-asan/bin/command_live_test --gtest_brief=1 --gtest_filter='*Programs*:Errors.*'

inject: build    ## errors at each kind of its own system calls, and its processes killed at any moment
	@testdata/inject/run --ipcdoctor $(BUILD)/bin/ipcdoctor
	@testdata/inject/run --ipcdoctor $(BUILD)/bin/ipcdoctor --options=-v
	@testdata/inject/run --ipcdoctor $(BUILD)/bin/ipcdoctor --kill 300

fuzz: setup      ## MINUTES=5 FUZZ=dwarf: libFuzzer on what reads the files, memory and snapshots of others (OPTIONAL=1 .ci/setup)
	@cmake -S . -B $(BUILD)-fuzz $(if $(shell command -v ninja),-G Ninja) -DCMAKE_C_COMPILER=clang-16 -DCMAKE_CXX_COMPILER=clang++-16 -DIPCDOCTOR_FUZZ=ON -DIPCDOCTOR_SANITIZE=ON -DIPCDOCTOR_TESTS=OFF >/dev/null
	@$(call compile,$(BUILD)-fuzz) --target $(if $(FUZZ),$(FUZZ:%=fuzz_%),fuzz)
	@testdata/fuzz/run $(BUILD)-fuzz $$(($(MINUTES) * 60)) $(FUZZ)

yama: static     ## KERNEL=vmlinuz: boots it in qemu, and looks under Yama's ptrace_scope 0 to 3 (testdata/yama/run says what it needs)
	@testdata/yama/run --ipcdoctor $(BUILD)/static/ipcdoctor --kernel $(KERNEL)

golden: build    ## rewrite testdata/reports and what is said of testdata/snapshots; review the diff
	@IPCDOCTOR_GOLDEN=write $(BUILD)/bin/report_test --gtest_filter='*Golden*'
	@IPCDOCTOR_GOLDEN=write $(BUILD)/bin/probes_test --gtest_filter='*Golden*'
	@IPCDOCTOR_GOLDEN=write cmd/ipcdoctor/words_test.py $(BUILD)/bin/ipcdoctor testdata
	@git diff --stat testdata/reports testdata/snapshots

pictures: build  ## the screenshots of README.md, of a program that hangs, in Chromium
	@.ci/setup chromium
	@.ci/pictures $(BUILD)/bin/ipcdoctor testdata/reports

record: build    ## record testdata/snapshots anew from the test programs; then make golden
	@testdata/snapshots/record $(BUILD)

new-probe:       ## SLUG=full-buffer-cycle CODE=IPC105: the skeleton of a class
	@.ci/new-probe "$(CODE)" "$(SLUG)"

man:             ## man/ipcdoctor-probes.7 from probes/*/README.md
	@.ci/probes-man >man/ipcdoctor-probes.7

man-check:       ## the man pages are clean
	@mandoc -Tlint -W warning man/*.[157]

test-pythons: build ## Python 3.9 to 3.15 of other Debian suites in trees that debootstrap makes, and 3.13 without a GIL; root only
	@.ci/test-pythons $(BUILD) $(SUITES)

test-runtimes: build ## Ruby, Perl and PHP of other Debian suites in trees that debootstrap makes; root only
	@.ci/test-runtimes $(BUILD) $(SUITES)

test-libcs: build ## the C programs with glibc of other Debian suites, static, and with musl; root only
	@.ci/test-libcs $(BUILD) $(SUITES)

test-distros: build ## the static binary and the wheel in trees of other Debian suites, of busybox alone and with musl; root only
	@.ci/test-distros $(BUILD) $(SUITES)

run-table: build ## how soon `ipcdoctor run` ends each program that hangs
	@testdata/run/table --ipcdoctor $(BUILD)/bin/ipcdoctor --programs $(BUILD)/programs

run-corpus: build ## CORPUS=dir: the same for the programs of a corpus with their truth
	@testdata/run/corpus --ipcdoctor $(BUILD)/bin/ipcdoctor --corpus $(CORPUS)

surgery: build ## CORPUS=dir: what reports say would free a hung program is done to it (gdb); of a corpus too
	@testdata/surgery/run --ipcdoctor $(BUILD)/bin/ipcdoctor --programs $(BUILD)/programs
ifdef CORPUS
	@rm -f $(BUILD)/surgery.tsv
	@IPCDOCTOR=$(BUILD)/bin/ipcdoctor SURGERY_LOG=$(BUILD)/surgery.tsv $(CORPUS)/score --ipcdoctor testdata/surgery/run >/dev/null
	@sort $(BUILD)/surgery.tsv
endif

stack-table: build ## the stacks that it reads beside those of eu-stack and gdb, which stop the target
	@testdata/stacks/table --ipcdoctor $(BUILD)/bin/ipcdoctor

soundness: build ## N=5000: healthy programs must get no finding, random graphs and programs no wrong proof
	@cd $(BUILD) && ctest --output-on-failure -R '[Hh]ealthy|[Ss]ound|[Rr]andom'
	@testdata/soundness/run --ipcdoctor $(BUILD)/bin/ipcdoctor -n $(N)
	@[ "$$(id -u)" != 0 ] || testdata/soundness/hosts --ipcdoctor $(BUILD)/bin/ipcdoctor -n $$(( ($(N) + 9) / 10 ))

census: build    ## N=2000 SEED=x: random programs with one planted mistake each, and healthy twins
	@testdata/census/run --ipcdoctor $(BUILD)/bin/ipcdoctor -n $(N) --seed $(SEED) --jobs $$((2 * $(JOBS)))

score: build     ## CORPUS=dir: run it on a corpus of programs with their truth; SCORED=dir: on those of another folder
	@$(CORPUS)/score --ipcdoctor $(BUILD)/bin/ipcdoctor --floor $(FLOOR) $(if $(SCORED),--corpus $(SCORED))

languages: build ## CORPUS=dir: the same on testdata/languages: programs in Go, Java, Rust, Node, Ruby, PHP, Perl, shell, C++
	@$(CORPUS)/score --ipcdoctor $(BUILD)/bin/ipcdoctor --corpus $(CURDIR)/testdata/languages --floor testdata/languages/floor.json

score-noise: build ## CORPUS=dir NOISE=heartbeat: the same under everyday noise
	@$(CORPUS)/noisy --ipcdoctor $(BUILD)/bin/ipcdoctor --noise $(NOISE) -- --floor $(FLOOR) --json $(BUILD)/noise.json \
	  --only 'python-*' --only 'c-*' --only 'cpp-*' --only 'sh-*'
	@python3 -c 'import json, sys; sys.exit("\n".join(json.load(open("$(BUILD)/noise.json"))["floors_missed"]) or 0)'

benchmarks: build ## time the unwinding and the graph (Google Benchmark: OPTIONAL=1 .ci/setup)
	@cmake --build $(BUILD) --target benchmarks
	@$(BUILD)/bin/unwind_benchmark
	@$(BUILD)/bin/graph_benchmark

run-overhead: build ## RUN_COMMAND='make -j2': what `ipcdoctor run` costs a command
	@testdata/run/overhead --ipcdoctor $(BUILD)/bin/ipcdoctor -- $(RUN_COMMAND)

bench: build     ## BENCH=dir: time it beside other tools
	@$(BENCH)/versus --ipcdoctor $(BUILD)/bin/ipcdoctor

bench-stacks: build ## BENCH=dir: the time that the stacks alone take, beside austin's
	@IPCDOCTOR=$(BUILD)/bin/ipcdoctor $(BENCH)/versus --ipcdoctor testdata/stacks/as-attach --load pyq:64,pyq:512 --only austin --no-stop --no-eintr

install:         ## to $(DESTDIR)$(PREFIX); builds only what is not there
	@test -e $(BUILD)/completions/ipcdoctor.fish || $(MAKE) --no-print-directory product
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)" --strip >/dev/null
	@echo "installed: $(DESTDIR)$(PREFIX)/bin/ipcdoctor"

uninstall:       ## what install put there
	@cd "$(DESTDIR)$(PREFIX)" && rm -f bin/ipcdoctor share/man/man[157]/ipcdoctor.[157] share/man/man[157]/ipcdoctor-*.[157] \
	  share/bash-completion/completions/ipcdoctor share/zsh/site-functions/_ipcdoctor share/fish/vendor_completions.d/ipcdoctor.fish
	@cd "$(DESTDIR)$(PREFIX)" && rm -rf share/ipcdoctor share/doc/ipcdoctor

clean:           ## remove what was built
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz

.PHONY: inject fuzz yama help setup build product demo static release test-distros test test-live check lint format asan golden record new-probe man man-check test-pythons test-libcs run-table run-corpus surgery stack-table run-overhead benchmarks soundness census score languages score-noise bench bench-stacks install uninstall clean
