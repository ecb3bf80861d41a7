#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "linux/address_space.h"
#include "runtime/native/known.h"
#include "unwind/image.h"

namespace ipcdoctor::runtime::native {

/// What one image says of its functions and of those that it calls in others; at link time.
struct Linkage {
  enum class Kind {
    Other,
    CLibrary,    ///< libc.so.6 and what belongs to it, musl
    CxxLibrary,  ///< libstdc++, libgcc_s
    Static,      ///< a program that has glibc in itself
    Foreign,     ///< with calling conventions of its own: Go
  };
  Kind kind = Kind::Other;
  std::string soname;
  std::unordered_map<std::uint64_t, const Known*> known;  ///< by address
  std::unordered_map<std::uint64_t, std::string> slots;   ///< pointers the linker fills, by name
  unwind::OwnedBytes names;                               ///< that those below lie in
  std::unordered_set<std::string_view> imports;           ///< what others are to define
  std::unordered_map<std::string_view, std::uint64_t> exports;  ///< what it defines for others
  std::optional<bool> foreign_code;                             ///< once it was asked for
  std::uint64_t thread_start = 0, thread_start_end = 0;  ///< start_thread() of a static glibc
};

/// The code of one process, and what of its memory cannot change any more.
class Program {
 public:
  /// What is known of images, shared between processes.
  using Linkages = std::map<const unwind::Image*, Linkage>;

  Program(const linux::AddressSpace& space, unwind::ImageCache& images, Linkages& linkages)
      : space_(space), images_(images), linkages_(linkages) {}

  /// Bytes of code at the address, as they are in memory: up to 64, fewer at the end of a mapping.
  /// Empty where no file is mapped, or where the program could change it.
  std::span<const std::uint8_t> code_at(std::uint64_t address);

  /// nullptr: no image, such as what a just-in-time compiler made.
  unwind::Image* image_at(std::uint64_t address);
  const Linkage* linkage_at(std::uint64_t address);
  /// Code that does not keep to the platform's calling convention.
  bool is_foreign(std::uint64_t address);
  bool in_vdso(std::uint64_t address);
  /// The function that begins there, if its effects are known by its name.
  const Known* known_at(std::uint64_t address);
  /// The known function whose code contains the address.
  const Known* known_around(std::uint64_t address);
  /// The known function that the call before the address is for.
  const Known* known_called_at(std::uint64_t return_address);

  /// Memory that keeps its value: read-only, of a file.
  std::optional<std::uint64_t> read_constant(std::uint64_t address, std::size_t size);
  /// What the process's own memory holds now, of at most 8 bytes.
  std::optional<std::uint64_t> read_variable(std::uint64_t address, std::size_t size) const;
  /// Another process may see the memory there, or nobody knows it.
  bool is_shared(std::uint64_t address) const;
  /// Where a call through a pointer that the dynamic linker fills may lead; empty: it is none, or
  /// nobody defines it.
  std::vector<std::uint64_t> targets_of_slot(std::uint64_t address);
  /// The symbol that the linker puts there; "" if it is no such pointer.
  std::string name_of_slot(std::uint64_t address);

  /// The function of the C library that the linker puts there, by its symbol: one that the library
  /// chose for this processor has no name of its own. nullptr: it is none, or not known.
  const Known* known_by_slot(std::uint64_t address);

  /// What `stdout` or `stderr` points to: nobody is thought to set them to something else. The
  /// address may be that of one of these variables, of the C library or a copy in the program.
  std::optional<std::uint64_t> standard_stream(const std::string& name);
  std::optional<std::uint64_t> stream_at(std::uint64_t address);
  /// Where a function of stdio or iostreams writes to; nullopt: it is none of the streams that
  /// every program has. fflush(nullptr) is for all.
  /// @param stream  its argument, where it has one: see Known::stream
  std::optional<std::uint64_t> descriptor_of(const Known& known,
                                             std::optional<std::uint64_t> stream);

  /// Whether any image beside the system's own uses or has that function: without that nobody has
  /// called it.
  bool is_used(const std::string& function);

  /// Whether the image at the address defines the symbol for others.
  bool exports(std::uint64_t address, const std::string& symbol);
  /// Where the image at the address defines the symbol for others; 0 if it does not.
  std::uint64_t address_of(std::uint64_t address, const std::string& symbol);
  /// The address in its image as it was linked; 0 if there is none.
  std::uint64_t link_address(std::uint64_t address);
  /// "libfoo.so+0x12".
  std::string name_of(std::uint64_t address);
  /// The function around the address, demangled; "" if unknown.
  std::string function_around(std::uint64_t address);

  const linux::AddressSpace& space() const { return space_; }

 private:
  const std::vector<std::uint64_t>& variables_of_stream(const std::string& name);
  /// By glibc's FILE.
  std::optional<std::uint64_t> descriptor_of_stream(std::uint64_t file);
  std::optional<std::uint64_t> descriptor_of_ostream(std::uint64_t address);
  unwind::Place place_at(std::uint64_t address);
  const Linkage& linkage_of(unwind::Image& image);
  std::vector<std::uint64_t> definitions_of(const std::string& symbol);

  const linux::AddressSpace& space_;
  unwind::ImageCache& images_;
  Linkages& linkages_;
  unwind::Place place_;  ///< the one that was asked for last
  std::vector<std::uint8_t> window_;
  std::uint64_t window_begin_ = 0, window_end_ = 0;
  std::map<std::string, std::vector<std::uint64_t>> streams_;  ///< the variables of that name
  std::optional<std::vector<unwind::Place>> all_;              ///< every image
  bool all_seen_ = true;  ///< all executable memory belongs to images that could be read
};

}  // namespace ipcdoctor::runtime::native
