#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "linux/process_memory.h"
#include "runtime/go/layout.h"

namespace ipcdoctor::runtime::go {

/// The table of functions that every Go program has in its memory, stripped or not: names, files,
/// lines, and by how much the stack has grown at each instruction (src/runtime/symtab.go, pcHeader
/// and below; magic numbers of Go 1.18 and 1.20 and later). Nothing is read but what is asked for.
class FunctionTable {
 public:
  /// @param table   of the pcHeader
  /// @param module  of the moduledata that belongs to it
  /// @return Malformed if it is none of a known version for amd64.
  static Result<FunctionTable> open(const linux::ProcessMemory& memory, const Layout& layout,
                                    RemoteAddr table, RemoteAddr module);

  /// One call: of several at one place, those that were inlined come first.
  struct Line {
    std::string function;  ///< "main.(*app).run"
    std::string file;      ///< as the compiler was given it
    int line = 0;
    bool inlined = false;
  };
  struct Place {
    std::uint64_t entry = 0;
    std::int64_t stack =
        0;  ///< bytes between the stack pointer and the return address; < 0: unknown
    std::vector<Line> lines;  ///< at least one, that of the function itself last
  };
  /// The place of an instruction. nullptr: there is no Go function. Remembered.
  const Place* find(std::uint64_t pc);

  std::uint64_t text() const { return text_; }

 private:
  explicit FunctionTable(const linux::ProcessMemory& memory, const Layout& layout)
      : memory_(&memory), layout_(&layout) {}
  std::optional<Place> read(std::uint64_t pc) const;
  std::uint32_t word(std::uint64_t address) const;
  std::string text_at(std::uint64_t address) const;
  /// The value of one of the tables of a function at pc; nothing if it does not reach so far.
  std::optional<std::int64_t> value(std::uint32_t table, std::uint64_t entry,
                                    std::uint64_t pc) const;
  Line line_at(std::uint64_t record, std::uint64_t entry, std::uint64_t pc) const;

  const linux::ProcessMemory* memory_;
  const Layout* layout_;
  std::uint64_t text_ = 0, gofunc_ = 0, count_ = 0;
  std::uint64_t names_ = 0, units_ = 0, files_ = 0, values_ = 0, functions_ = 0;
  std::unordered_map<std::uint64_t, std::optional<Place>> known_;
};

}  // namespace ipcdoctor::runtime::go
