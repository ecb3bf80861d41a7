#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <cstring>
#include <random>

#include "unwind/eh_frame.h"
#include "unwind/elf_file.h"
#include "unwind/frame_pointer.h"
#include "unwind/frame_rule.h"
#include "unwind/symbol_table.h"

namespace ipcdoctor::unwind {
namespace {

/// The vDSO of this process: a small ELF image with symbols and unwind information that is always
/// there.
std::vector<std::byte> vdso() {
  const auto address = ::getauxval(AT_SYSINFO_EHDR);
  const auto* base =
      reinterpret_cast<const std::byte*>(address);  // NOLINT(performance-no-int-to-ptr)
  Elf64_Ehdr header;
  std::memcpy(&header, base, sizeof header);
  return std::vector<std::byte>(base, base + header.e_shoff + header.e_shnum * sizeof(Elf64_Shdr));
}

TEST(ElfFileTest, ReadsTheHeadersOfTheVdso) {
  const auto elf = ElfFile::parse(vdso());
  ASSERT_TRUE(elf);
  EXPECT_NE(elf->find_section(".eh_frame"), nullptr);
  EXPECT_NE(elf->find_section(SHT_DYNSYM), nullptr);
  EXPECT_THAT(elf->build_id(), testing::MatchesRegex("[0-9a-f]{40}"));
  EXPECT_TRUE(elf->address_of_offset(64, true));
  EXPECT_FALSE(elf->address_of_offset(std::uint64_t{1} << 40, true));
}

TEST(ElfFileTest, RefusesWhatIsNoImage) {
  EXPECT_FALSE(ElfFile::parse(std::vector<std::byte>{}));
  EXPECT_FALSE(ElfFile::parse(std::vector<std::byte>(4096)));
  EXPECT_FALSE(ElfFile::parse(linux::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
  auto other_machine = vdso();
  other_machine[18] = std::byte{0xb7};  // e_machine: AArch64
  EXPECT_FALSE(ElfFile::parse(other_machine));
}

TEST(ElfFileTest, ReadsNothingBeyondTheEnd) {
  const auto elf = ElfFile::parse(vdso());
  ASSERT_TRUE(elf);
  const std::uint64_t size = vdso().size();
  EXPECT_TRUE(elf->read(size - 1, 1));
  EXPECT_FALSE(elf->read(size, 1));
  EXPECT_FALSE(elf->read(~std::uint64_t{0}, 2));
  EXPECT_FALSE(elf->read(1, ~std::uint64_t{0}));
}

TEST(ElfFileTest, ATruncatedImageKeepsItsSegments) {
  auto bytes = vdso();
  bytes.resize(2048);  // the section headers are at the end
  const auto elf = ElfFile::parse(bytes);
  ASSERT_TRUE(elf);
  EXPECT_FALSE(elf->segments().empty());
  EXPECT_TRUE(elf->sections().empty());
  EXPECT_TRUE(SymbolTable::read(*elf).empty());
}

TEST(SymbolTableTest, FindsByAddressAndByName) {
  const auto elf = ElfFile::parse(vdso());
  ASSERT_TRUE(elf);
  const SymbolTable symbols = SymbolTable::read(*elf);
  const auto address = symbols.address_of("__vdso_clock_gettime");
  ASSERT_TRUE(address);
  const auto* symbol = symbols.find_function(*address);
  ASSERT_NE(symbol, nullptr);
  EXPECT_EQ(symbols.name_of(*symbol), "clock_gettime") << "the better of two names";
  EXPECT_EQ(symbols.find_function(*address + symbol->size - 1), symbol);
  const auto* beyond = symbols.find_function(*address + symbol->size);
  EXPECT_TRUE(beyond == nullptr || beyond->address >= *address + symbol->size)
      << "never beyond its size";
  EXPECT_FALSE(symbols.address_of("no_such_function"));
}

/// A table is searched as it is at first and sorted later: that must not change an answer.
TEST(SymbolTableTest, SortedAndUnsortedAgree) {
  const auto elf = ElfFile::parse(linux::UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(elf);
  const SymbolTable sorted = SymbolTable::read(*elf);
  for (int i = 0; i < 100; ++i) (void)sorted.find_function(1);
  const auto main = sorted.address_of("main");
  ASSERT_TRUE(main);
  for (std::uint64_t block = 0; block < 40; ++block) {
    const SymbolTable fresh = SymbolTable::read(*elf);
    for (std::uint64_t i = 0; i < 16; ++i) {
      const std::uint64_t address = *main + (block * 16 + i) * 97;
      const auto* a = sorted.find_function(address);
      const auto* b = fresh.find_function(address);
      ASSERT_EQ(a == nullptr, b == nullptr) << address;
      if (a != nullptr) {
        EXPECT_EQ(sorted.name_of(*a), fresh.name_of(*b)) << address;
      }
    }
  }
}

TEST(SymbolTableTest, Demangles) {
  EXPECT_EQ(demangle("_ZN3app4readEi"), "app::read(int)");
  EXPECT_EQ(demangle("main"), "main");
  EXPECT_EQ(demangle("_Znonsense"), "_Znonsense");
  EXPECT_EQ(demangle("_ZN3std4sync4mpsc17Receiver$LT$T$GT$4recv17hff9950f84ee24150E"),
            "std::sync::mpsc::Receiver<T>::recv");
  EXPECT_EQ(demangle("_RNvMs_NtNtCsjrHSEGnQ3l9_3std6thread6threadNtB4_6Thread4park"),
            "<std::thread::thread::Thread>::park");
  EXPECT_EQ(demangle("evil\x1b[31m"), "evil\\x1b[31m");
  EXPECT_LE(demangle(std::string(100000, 'a')).size(), 1024U);
}

/// Each back reference may double the name: forty would need a terabyte.
TEST(SymbolTableTest, LeavesARustNameThatWouldGrow) {
  const std::string name =
      "_RINvC1a1fThhETB7_B7_ETBb_Bb_ETBj_Bj_ETBr_Br_ETBz_Bz_ETBH_BH_ETBP_BP_ETBX_BX_ETB"
      "15_B15_ETB1d_B1d_ETB1n_B1n_ETB1x_B1x_ETB1H_B1H_ETB1R_B1R_ETB21_B21_ETB2b_B2b_ETB"
      "2l_B2l_ETB2v_B2v_ETB2F_B2F_ETB2P_B2P_ETB2Z_B2Z_ETB39_B39_ETB3j_B3j_ETB3t_B3t_ETB"
      "3D_B3D_ETB3N_B3N_ETB3X_B3X_ETB47_B47_ETB4h_B4h_ETB4r_B4r_ETB4B_B4B_ETB4L_B4L_ETB"
      "4V_B4V_ETB55_B55_ETB5f_B5f_ETB5p_B5p_ETB5z_B5z_ETB5J_B5J_ETB5T_B5T_ETB63_B63_EE";

  EXPECT_EQ(demangle(name), name);
}

/// The table that the linker wrote and the one built from .eh_frame must agree.
TEST(EhFrameTest, BuildsTheTableOfTheLinker) {
  const auto elf = ElfFile::parse(vdso());
  ASSERT_TRUE(elf);
  const auto* frames = elf->find_section(".eh_frame");
  const auto* header_section = elf->find_section(".eh_frame_hdr");
  ASSERT_TRUE(frames != nullptr && header_section != nullptr);
  const auto header_bytes = elf->read(*header_section);
  const auto frame_bytes = elf->read(*frames);
  ASSERT_TRUE(header_bytes && frame_bytes);
  const auto header = parse_frame_table_header(*header_bytes);
  ASSERT_TRUE(header);
  const auto built = build_frame_table(*frame_bytes, frames->address);
  ASSERT_TRUE(built);
  ASSERT_EQ(built->size(), header->rows);
  for (std::size_t i = 0; i < built->size(); ++i) {
    FrameEntry theirs;
    std::memcpy(&theirs, header_bytes->data() + header->table_offset + i * sizeof theirs,
                sizeof theirs);
    const auto shift = static_cast<std::int64_t>(header_section->address - frames->address);
    EXPECT_EQ((*built)[i].start, theirs.start + shift);
    EXPECT_EQ((*built)[i].description, theirs.description + shift);
  }
}

TEST(EhFrameTest, RefusesLyingHeaders) {
  std::vector<std::byte> header(12 + 8);
  const auto set = [&](std::size_t at, std::uint32_t value) {
    std::memcpy(header.data() + at, &value, 4);
  };
  set(0, 0x3b031b01);
  set(8, 1);
  ASSERT_TRUE(parse_frame_table_header(header));
  EXPECT_EQ(parse_frame_table_header(header)->table_offset, 12U);
  set(8, 2);  // more rows than bytes
  EXPECT_FALSE(parse_frame_table_header(header));
  set(8, 0xffffffff);
  EXPECT_FALSE(parse_frame_table_header(header));
  set(0, 0x3b031b02);  // another version
  EXPECT_FALSE(parse_frame_table_header(header));
  EXPECT_FALSE(parse_frame_table_header({}));
  EXPECT_FALSE(build_frame_table({}, 0));
}

/// A CIE as gcc writes it (zR, pc-relative, code 1, data -8; CFA = rsp + 8, return address at CFA -
/// 8) and an FDE of 64 bytes of code with the instructions given.
struct Description {
  std::vector<std::byte> cie, fde;
  explicit Description(const std::vector<std::uint8_t>& instructions) {
    for (const int b : {0x14, 0,    0,  0, 0,    0,    0, 0, 1,    'z' + 0, 'R' + 0, 0,
                        1,    0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,       0,       0}) {
      cie.push_back(static_cast<std::byte>(b));
    }
    // the pc-relative start is 0x1000 - (0x8000 + 8)
    for (const int b : {0, 0, 0, 0, 0x18, 0, 0, 0, 0xf8, 0x8f, 0xff, 0xff, 64, 0, 0, 0, 0})
      fde.push_back(static_cast<std::byte>(b));
    for (const std::uint8_t b : instructions) fde.push_back(static_cast<std::byte>(b));
    const auto length = static_cast<std::uint32_t>(fde.size() - 4);
    std::memcpy(fde.data(), &length, sizeof length);
  }
  std::optional<FrameRule> at(std::uint64_t address) const {
    return find_frame_rule(cie, fde, 0x8000, address);
  }
};

TEST(FrameRuleTest, FollowsAPrologue) {
  // push %rbp; mov %rsp,%rbp; ... as at -O0
  const Description d({0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6});
  ASSERT_TRUE(d.at(0x1000));
  EXPECT_FALSE(d.at(0x1000)->from_rbp);
  EXPECT_EQ(d.at(0x1000)->cfa, 8);
  EXPECT_EQ(d.at(0x1000)->saved[FrameRule::Rbp], FrameRule::kSame);
  EXPECT_EQ(d.at(0x1001)->cfa, 16);
  EXPECT_EQ(d.at(0x1001)->saved[FrameRule::Rbp], -16);
  EXPECT_FALSE(d.at(0x1003)->from_rbp);
  EXPECT_TRUE(d.at(0x1004)->from_rbp);
  EXPECT_EQ(d.at(0x103f)->cfa, 16);
  EXPECT_FALSE(d.at(0x1040)) << "beyond the function";
  EXPECT_FALSE(d.at(0xfff));
}

TEST(FrameRuleTest, RemembersAndRestores) {
  const Description d({0x41, 0x0e, 16, 0x83, 2, 0x42, 0x0a, 0xc3, 0x0e, 8, 0x41, 0x0b});
  EXPECT_EQ(d.at(0x1003)->cfa, 8);
  EXPECT_EQ(d.at(0x1003)->saved[FrameRule::Rbx], FrameRule::kSame);
  EXPECT_EQ(d.at(0x1004)->cfa, 16);
  EXPECT_EQ(d.at(0x1004)->saved[FrameRule::Rbx], -16);
}

TEST(FrameRuleTest, TheOutermostFrameAndWhatIsNotSimple) {
  ASSERT_TRUE(Description({0x07, 16}).at(0x1000));
  EXPECT_TRUE(Description({0x07, 16}).at(0x1000)->outermost);
  EXPECT_FALSE(Description({0x0f, 1, 0x30}).at(0x1000)) << "an expression";
  EXPECT_FALSE(Description({0x0c, 10, 0}).at(0x1000)) << "the CFA is in r10";
  EXPECT_FALSE(Description({0x10, 6, 1, 0x30}).at(0x1000)) << "rbp is saved by an expression";
  EXPECT_TRUE(Description({0x10, 0, 1, 0x30}).at(0x1000)) << "rax does not matter";
  EXPECT_FALSE(Description({0x0b}).at(0x1000)) << "nothing was remembered";
  EXPECT_FALSE(Description({0x0e}).at(0x1000)) << "cut off";
  EXPECT_FALSE(Description({0x3f}).at(0x1000)) << "no such instruction";
  EXPECT_FALSE(Description(std::vector<std::uint8_t>(200, 0x0a)).at(0x1000))
      << "remembers for ever";
}

TEST(FrameRuleTest, SurvivesMutations) {
  const Description original(
      {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x0a, 0xc6, 0x0c, 7, 8, 0x41, 0x0b, 0x05, 3, 4});
  std::mt19937_64 random(11);
  int understood = 0;
  for (int round = 0; round < 20000; ++round) {
    Description d = original;
    for (std::size_t i = 0; i < 1 + random() % 3; ++i) {
      auto& bytes = random() % 2 == 0 ? d.cie : d.fde;
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    if (random() % 8 == 0) d.fde.resize(8 + random() % (d.fde.size() - 8));
    understood += d.at(0x1000 + random() % 64) ? 1 : 0;
  }
  EXPECT_GT(understood, 1000) << "the mutations must reach the interpreter";
}

/// Damage anywhere in an image may cost facts, never memory safety or an end (run with the
/// sanitizers).
TEST(ElfFileTest, SurvivesMutations) {
  const auto original = vdso();
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    auto bytes = original;
    const std::size_t changes = 1 + random() % 8;
    for (std::size_t i = 0; i < changes; ++i) {
      // headers are where the lies are worth most
      const std::size_t where = random() % 3 == 0   ? random() % 1024
                                : random() % 2 == 0 ? bytes.size() - 1 - random() % 1536
                                                    : random() % bytes.size();
      bytes[where] = static_cast<std::byte>(random() % 4 == 0 ? 0xff : random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto elf = ElfFile::parse(std::move(bytes));
    if (!elf) continue;
    const SymbolTable symbols = SymbolTable::read(*elf);
    (void)symbols.find_function(random() % 65536);
    (void)elf->build_id();
    if (const auto* section = elf->find_section(".eh_frame")) {
      const auto data = elf->read(*section);
      if (data) (void)build_frame_table(*data, section->address);
    }
    if (const auto* section = elf->find_section(".eh_frame_hdr")) {
      const auto data = elf->read(*section);
      if (data) (void)parse_frame_table_header(*data);
    }
  }
}

TEST(FramePointerTest, RecognisesCalls) {
  using Code = std::vector<std::uint8_t>;
  const auto direct = parse_call(Code{0x90, 0x90, 0xe8, 0x10, 0x00, 0x00, 0x00}, 0x1000);
  ASSERT_TRUE(direct && direct->target);
  EXPECT_EQ(*direct->target, 0x1010U);
  const auto backwards = parse_call(Code{0x90, 0x90, 0xe8, 0xf0, 0xff, 0xff, 0xff}, 0x1000);
  ASSERT_TRUE(backwards && backwards->target);
  EXPECT_EQ(*backwards->target, 0xff0U);
  for (const Code& code : {Code{0, 0, 0, 0, 0, 0xff, 0xd0},        // call *%rax
                           Code{0, 0, 0, 0, 0x41, 0xff, 0xd4},     // call *%r12
                           Code{0, 0xff, 0x15, 1, 2, 3, 4},        // call *disp32(%rip)
                           Code{0, 0, 0, 0, 0xff, 0x50, 0x18},     // call *0x18(%rax)
                           Code{0, 0, 0, 0xff, 0x54, 0x24, 0x08},  // call *8(%rsp)
                           Code{0xff, 0x94, 0x24, 1, 2, 0, 0}}) {  // call *0x201(%rsp)
    const auto call = parse_call(code, 0x1000);
    ASSERT_TRUE(call) << testing::PrintToString(code);
    EXPECT_FALSE(call->target);
  }
  EXPECT_FALSE(parse_call(Code{0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}, 0x1000));
  EXPECT_FALSE(parse_call(Code{0, 0, 0, 0, 0, 0xff, 0xe0}, 0x1000)) << "a jump";
  EXPECT_FALSE(parse_call({}, 0x1000));
}

}  // namespace
}  // namespace ipcdoctor::unwind
