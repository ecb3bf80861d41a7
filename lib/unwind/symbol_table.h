#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unwind/elf_file.h"

namespace ipcdoctor::unwind {

/// The defined functions and data objects of one image, from .symtab, .dynsym and what else was
/// added. Addresses are those at link time. Names are raw (mangled, not escaped).
class SymbolTable {
 public:
  struct Symbol {
    std::uint64_t address = 0, size = 0;
    std::uint32_t name = 0;  ///< offset in its string table
    std::uint8_t table = 0;
    bool function = false;
    std::uint8_t rank = 0;  ///< lower is the better name of several at one address
  };

  /// Never fails: an image without usable tables has no symbols.
  static SymbolTable read(const ElfFile& elf);

  /// The symbol of that kind that covers the address. One without a size (hand-written code) covers
  /// what follows it up to the next symbol, 4 KiB at most, and only if .symtab is there: .dynsym
  /// alone leaves too much out.
  const Symbol* find_function(std::uint64_t address) const { return find(functions_, address); }
  const Symbol* find_variable(std::uint64_t address) const { return find(variables_, address); }
  std::optional<std::uint64_t> address_of(std::string_view name) const;
  std::string_view name_of(const Symbol& symbol) const;
  /// All variables whose names begin so, in no order.
  std::vector<Symbol> variables_named(std::string_view prefix) const;
  /// All functions, in no order; one that is in several tables comes several times.
  const std::vector<Symbol>& functions() const { return functions_.symbols; }
  bool empty() const { return functions_.symbols.empty() && variables_.symbols.empty(); }
  /// Why packed symbols are missing that a process without rights should have unpacked; NotRead:
  /// none are.
  const Error& unpacked() const { return unpacked_; }

 private:
  void add(const ElfFile& elf, std::uint32_t type);
  void add_mini_debug_info(const ElfFile& elf);
  /// Most tables are asked two or three times only: they are sorted when it begins to pay.
  struct Kind {
    std::vector<Symbol> symbols;
    bool unsized = false;  ///< those without a size count
    std::size_t lookups = 0;
    bool sorted = false;
  };
  const Symbol* find(Kind& kind, std::uint64_t address) const;
  const Symbol* find_linear(const Kind& kind, std::uint64_t address) const;
  static const Symbol* find_sorted(const Kind& kind, std::uint64_t address);
  bool is_before(const Symbol& a, const Symbol& b) const;

  std::vector<OwnedBytes> strings_;  ///< of each table
  mutable Kind functions_, variables_;
  Error unpacked_;
};

/// The C++ or Rust name of a mangled symbol (Rust's without its hash), or the symbol itself; at
/// most 1 KiB, made safe to print.
std::string demangle(std::string_view name);

}  // namespace ipcdoctor::unwind
