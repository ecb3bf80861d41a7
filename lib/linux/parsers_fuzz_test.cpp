/// Feeds every parser of this folder with texts that were cut, spliced and changed at random,
/// always the same ones. What must hold: no parser reads past its text (the sanitizers see that),
/// ends, or returns what it promised never to.
#include <elf.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <random>

#include "linux/auxv.h"
#include "linux/capabilities.h"
#include "linux/fd_table.h"
#include "linux/fdinfo.h"
#include "linux/namespaces.h"
#include "linux/proc_locks.h"
#include "linux/proc_maps.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"
#include "linux/proc_syscall.h"
#include "linux/proc_timers.h"
#include "linux/proc_wchan.h"
#include "linux/sock_diag.h"
#include "linux/sysvipc.h"

namespace ipcdoctor::linux {
namespace {

constexpr int kRounds = 3000;

class Mutator {
 public:
  std::string mutate(std::string text) {
    for (unsigned n = below(4); n > 0; --n) change(text);
    return text;
  }

 private:
  unsigned below(std::size_t limit) {
    return static_cast<unsigned>(random_() % std::max<std::size_t>(limit, 1));
  }

  void change(std::string& text) {
    static const std::string kPieces[] = {"\n",
                                          " ",
                                          ":",
                                          "-",
                                          "(",
                                          ")",
                                          "0x",
                                          "18446744073709551616",
                                          "-9223372036854775809",
                                          "99999999999",
                                          "EOF",
                                          "->",
                                          std::string(1, '\0'),
                                          "\xff\xfe",
                                          "UserFiles:\t1\n",
                                          "PollList:\n",
                                          "lock:\t",
                                          "tfd: ",
                                          "\x1b[31m",
                                          "[",
                                          "]"};
    const unsigned at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.resize(at);
        break;
      case 1:
        text.erase(at, below(8));
        break;
      case 2:
        text.insert(at, kPieces[below(std::size(kPieces))]);
        break;
      case 3:
        text.insert(at, text.substr(below(text.size()), below(64)));
        break;
      default:
        if (!text.empty()) text[below(text.size())] = static_cast<char>(below(256));
    }
  }

  std::mt19937_64 random_{20240229};
};

/// Calls `parse` with mutations of the seed, each in a buffer of exactly its size.
template <class Parse>
void run(const std::string& seed, Parse parse) {
  Mutator mutator;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutator.mutate(seed);
    const auto copy = std::make_unique<char[]>(text.size());
    std::memcpy(copy.get(), text.data(), text.size());
    parse(std::string_view(copy.get(), text.size()));
  }
}

TEST(Fuzz, Stat) {
  run("8555 (a) S) S 8550 8551 4672 34816 -1 4194304 1 0 0 0 7 9 0 0 20 0 3 0 429214 3133440 390 1 "
      "2 3 4 5\n",
      [](std::string_view text) {
        const auto stat = parse_stat(text);
        if (stat) {
          EXPECT_LT(stat->comm.size(), text.size());
        }
      });
}

TEST(Fuzz, Status) {
  run("Name:\tsh\nState:\tS "
      "(sleeping)\nTgid:\t43\nTracerPid:\t0\nUid:\t1\t1\t1\t1\nNSpid:\t44\t4\nSigPnd:\t00\nShdPnd:"
      "\t00\n"
      "SigBlk:\t00\nSigIgn:\t00\nSigCgt:\t0180\nvoluntary_ctxt_switches:\t15\nnonvoluntary_ctxt_"
      "switches:\t3\n",
      [](std::string_view text) {
        const auto status = parse_status(text);
        if (status) {
          EXPECT_LT(status->ns_pids.size(), text.size());
        }
      });
}

TEST(Fuzz, Syscall) {
  run("202 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd2450edf8 0x7f20df8632ad\n", [](std::string_view text) {
    const auto call = parse_syscall(text);
    if (call && call->kind == SyscallState::Kind::InCall) {
      EXPECT_GE(call->nr, 0);
    }
    (void)parse_call_stub(text);
  });
}

TEST(Fuzz, FdInfo) {
  const std::string head = "pos:\t0\nflags:\t02\nmnt_id:\t17\nino:\t18\n";
  for (const char* tail : {
           "eventfd-count:               1f\neventfd-id: 7\n",
           "tfd:        5 events:       19 data:                5  pos:0 ino:12 sdev:10\n",
           "clockid: 1\nticks: 0\nit_value: (4, 999974940)\nit_interval: (1, 0)\n",
           "lock:\t1: FLOCK  ADVISORY  WRITE 11939 fe:00:10953836 0 EOF\nscm_fds: 2\n",
           "Pid:\t7\nNSpid:\t7\t1\nsigmask:\t0204\ntty-index:\t1\n",
           "SqHead:\t1\nSqTail:\t2\nUserFiles:\t2\n    0: pipe:[1]\n    1: /a\nPollList:\n  op=22, "
           "task_works=0\nCqOverflowList:\n",
       }) {
    run(head + tail, [](std::string_view text) {
      const auto info = parse_fdinfo(text);
      if (!info) return;
      EXPECT_LT(info->epoll.size() + info->locks.size() + info->uring.user_files.size() +
                    info->uring.polls.size(),
                text.size());
      if (info->uring.complete) {
        EXPECT_TRUE(info->has_uring);
      }
    });
  }
}

TEST(Fuzz, Locks) {
  run("1: POSIX  ADVISORY  WRITE 11939 fe:00:10953836 5 14\n1: -> OFDLCK  ADVISORY  READ -1 "
      "fe:00:10953836 0 EOF\n",
      [](std::string_view text) {
        const auto locks = parse_locks(text);
        if (!locks) return;
        for (const FileLockEntry& lock : *locks) EXPECT_LE(lock.start, lock.end);
      });
}

TEST(Fuzz, Maps) {
  run("55f0a0000000-55f0a0021000 rw-p 00000000 00:00 0   [heap]\n7f2000000000-7f2000001000 rw-s "
      "00002000 00:01 1024   /x y\n",
      [](std::string_view text) {
        const auto maps = parse_maps(text);
        if (!maps) return;
        for (const Mapping& mapping : *maps) EXPECT_LT(mapping.start, mapping.end);
        (void)find_mapping(*maps, RemoteAddr{0x7f2000000010});
      });
}

TEST(Fuzz, SmallTexts) {
  run("pipe:[67386]", [](std::string_view text) {
    const FdEntry entry = parse_fd_link(3, text);
    if (entry.kind == FileKind::Pipe) {
      EXPECT_TRUE(text.starts_with("pipe:["));
    }
  });
  run("net:[4026531833]", [](std::string_view text) {
    (void)parse_namespace_link(text, "net");
    (void)parse_fd_link(0, text);
  });
  run("anon_inode:[eventpoll]", [](std::string_view text) { (void)parse_fd_link(0, text); });
  run("unix_wait_for_peer.isra.0",
      [](std::string_view text) { EXPECT_LE(parse_wchan(text).size(), text.size()); });
  run("[<0>] pipe_read+0x2f1/0x4a0\n[<0>] vfs_read+0x1/0x2\n",
      [](std::string_view text) { (void)parse_kernel_stack(text); });
  run("1\n", [](std::string_view text) {
    const auto scope = parse_ptrace_scope(text);
    if (scope) {
      EXPECT_LE(*scope, 3);
    }
  });
  run("22 1 0:21 / /proc rw,relatime - proc proc rw,hidepid=invisible\n",
      [](std::string_view text) { (void)parse_hidepid(text); });
}

TEST(Fuzz, Tables) {
  run("   key semid perms nsems uid gid cuid cgid otime ctime\n 66 0 600 3 0 0 7 0 0 1795548962\n",
      [](std::string_view text) { (void)parse_sysvipc_sem(text); });
  run("   key msqid perms cbytes qnum lspid lrpid uid gid cuid\n 67 0 600 16384 4 4711 4712 0 0 0 "
      "0 0 0 1795548962\n",
      [](std::string_view text) { (void)parse_sysvipc_msg(text); });
  run("ID: 0\nsignal: 14/00\nnotify: signal/pid.11939\nClockID: 1\n",
      [](std::string_view text) { (void)parse_timers(text); });
  run("active timers:\n #0: <96aa4e11>, it_real_fn, S:01\n",
      [](std::string_view text) { (void)parse_real_timer_armed(text); });
}

TEST(Fuzz, Auxv) {
  const std::uint64_t words[] = {AT_RANDOM, 0x7ffe0000, AT_SYSINFO_EHDR, 0x7fff0000, AT_NULL, 0};
  std::string seed(sizeof words, '\0');
  std::memcpy(seed.data(), words, sizeof words);
  run(seed, [](std::string_view text) {
    const auto auxv = parse_auxv(text);
    if (auxv) {
      EXPECT_LE(auxv->size() * 16, text.size());
    }
  });
}

TEST(Fuzz, SockDiag) {
  unix_diag_msg unix_message{};
  unix_message.udiag_family = AF_UNIX;
  inet_diag_msg inet_message{};
  inet_message.idiag_family = AF_INET6;
  const std::uint16_t attributes[] = {8, UNIX_DIAG_PEER,     1, 0, 12, UNIX_DIAG_ICONS, 2, 0, 3, 0,
                                      5, INET_DIAG_SHUTDOWN, 1, 0};
  const auto seed_of = [&](const auto& message) {
    std::string seed(reinterpret_cast<const char*>(&message), sizeof message);
    return seed.append(reinterpret_cast<const char*>(attributes), sizeof attributes);
  };
  run(seed_of(unix_message), [](std::string_view text) {
    const auto socket = parse_unix_diag(std::as_bytes(std::span(text)));
    if (socket) {
      EXPECT_LE(socket->waiting.size() * 4, text.size());
    }
  });
  run(seed_of(inet_message),
      [](std::string_view text) { (void)parse_inet_diag(std::as_bytes(std::span(text)), false); });
}

}  // namespace
}  // namespace ipcdoctor::linux
