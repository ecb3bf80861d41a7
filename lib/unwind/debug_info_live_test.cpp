#include "unwind/debug_info.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "unwind/child_for_test.h"

namespace ipcdoctor::unwind {
namespace {

using test::compile;

constexpr char kProgram[] = R"(
int deeper(int n) { return n * 3; }
int main(int argc, char** argv) { (void)argv; return deeper(argc); }
)";

/// The lines of one image at one address, and how many processes without rights have ended.
class Lines {
 public:
  explicit Lines(const std::string& path) {
    const linux::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    auto elf = ElfFile::parse(linux::UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
    auto space = linux::AddressSpace::open(Pid{::getpid()});
    if (!elf || !space) return;
    image_.emplace(*std::move(elf), path);
    space_.emplace(*std::move(space));
    info_ = DebugInfo::open(*image_, *space_);
  }
  bool is_open() const { return info_ != nullptr; }
  std::uint64_t address_of(const char* name) {
    return image_->symbols().address_of(name).value_or(0);
  }
  Result<std::vector<SourceFrame>> at(std::uint64_t address) {
    return info_->frames_at(address, [] { return true; });
  }

 private:
  std::optional<Image> image_;
  std::optional<linux::AddressSpace> space_;
  std::unique_ptr<DebugInfo> info_;
};

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class DebugInfoLiveTest : public testing::Test {
 protected:
  void SetUp() override {
    program_ = compile(kProgram, "-O0 -g");
    if (program_.empty()) GTEST_SKIP() << "no compiler";
    original_ = read_bytes(program_);
    Lines lines(program_);
    ASSERT_TRUE(lines.is_open());
    address_ = lines.address_of("deeper") + 4;
    const auto frames = lines.at(address_);
    ASSERT_TRUE(frames) << to_string(frames.error());
    ASSERT_EQ(frames->size(), 1U);
    ASSERT_EQ(frames->front().line, 2);
    const linux::UniqueFd file(::open(program_.c_str(), O_RDONLY | O_CLOEXEC));
    const auto elf = ElfFile::parse(linux::UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
    ASSERT_TRUE(elf);
    for (const ElfFile::Section& section : elf->sections())
      if (section.name.starts_with(".debug") && section.size > 0) debug_.push_back(section);
    ASSERT_FALSE(debug_.empty());
  }

  /// Another file, as the program's own would be mended by the next.
  std::string write(const std::string& bytes) {
    const std::string path = program_ + ".mutant";
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return path;
  }

  std::string program_, original_;
  std::uint64_t address_ = 0;
  std::vector<ElfFile::Section> debug_;
};

TEST_F(DebugInfoLiveTest, WhateverTheDebugInformationSaysWeGoOn) {
  std::mt19937 random(20261128);
  int answers = 0, ends = 0;
  for (int i = 0; i < 150; ++i) {
    std::string bytes = original_;
    for (int n = 0; n < 1 << (i % 6); ++n) {
      const auto& section = debug_[random() % debug_.size()];
      bytes[section.offset + random() % section.size] = static_cast<char>(random());
    }
    Lines lines(write(bytes));
    ASSERT_TRUE(lines.is_open());
    const auto frames = lines.at(address_);
    ++(frames ? answers : ends);
    if (!frames) {
      EXPECT_THAT(frames.error().what, testing::HasSubstr("the reader of debug inf"));
    }
  }
  EXPECT_GT(answers, 0);
  RecordProperty("ends", ends);
}

TEST_F(DebugInfoLiveTest, WhatCannotBeReadIsTold) {
  std::string bytes = original_;
  for (const auto& section : debug_)  // no unit in it has this version
    bytes.replace(section.offset, section.size, std::string(section.size, '\xff'));
  Lines lines(write(bytes));
  const auto first = lines.at(address_), second = lines.at(address_);
  if (first) {
    EXPECT_TRUE(first->empty());
  } else {
    EXPECT_EQ(first.error().what, second ? "" : second.error().what) << "it stays so";
  }
}

TEST_F(DebugInfoLiveTest, AReaderThatIsKilledIsTold) {
  Lines lines(program_);
  ASSERT_TRUE(lines.is_open());
  std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (int pid = 0; children >> pid;) ASSERT_EQ(::kill(pid, SIGKILL), 0);
  const auto frames = lines.at(address_);
  ASSERT_FALSE(frames);
  EXPECT_THAT(frames.error().what,
              testing::AllOf(testing::HasSubstr("read the lines of app"),
                             testing::HasSubstr("the reader of debug information was killed")));
}

}  // namespace
}  // namespace ipcdoctor::unwind
