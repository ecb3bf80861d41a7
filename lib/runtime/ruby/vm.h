#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "linux/address_space.h"
#include "runtime/remote.h"
#include "runtime/ruby/layout.h"
#include "unwind/unwind.h"

/// MRI, the interpreter of Ruby written in C, 2.7 to 3.4, from outside.
namespace ipcdoctor::runtime::ruby {

/// Its virtual machine and values. What cannot be read or makes no sense is 0 or "": all of it is
/// the target's to change.
class Vm {
 public:
  /// @return Unsupported: no Ruby, or a version that is not known (the message says which);
  /// Malformed: its structures are not found.
  static Result<Vm> find(const linux::AddressSpace& space, unwind::Images& images);

  const std::string& version() const { return version_; }
  const Layout& layout() const { return layout_; }
  std::uint64_t address() const { return address_; }
  std::uint64_t main_thread() const { return remote_.pointer(address_ + layout_.vm_main_thread); }
  const Remote& remote() const { return remote_; }

  /// The text of a String, raw, at most 4 KiB.
  std::string string(std::uint64_t value) const;
  /// The element of an Array.
  std::uint64_t element(std::uint64_t array, std::uint64_t index) const;
  /// What a T_DATA object wraps, by the name of its type; 0: it is none.
  struct Data {
    std::string type;  ///< "mutex"
    std::uint64_t address = 0;
  };
  Data data(std::uint64_t value) const;
  /// The name of a method or variable; "" if not found.
  std::string name(std::uint64_t id) const;
  /// The sequence of instructions, not one of C's blocks or anything else.
  bool is_code(std::uint64_t iseq) const;
  std::uint64_t body_of(std::uint64_t iseq) const { return remote_.pointer(iseq + 16); }
  /// The file of an iseq_constant_body as the program gave it, raw.
  std::string file_of(std::uint64_t body) const;
  int first_line_of(std::uint64_t body) const;

 private:
  Vm(const linux::AddressSpace& space, const Layout& layout)
      : remote_(space.memory), layout_(layout) {}
  bool is_vm(std::uint64_t address) const;
  bool find_in(const std::vector<std::uint64_t>& words);
  std::uint64_t length(std::uint64_t array) const;
  std::uint64_t type_of(std::uint64_t value) const;

  Remote remote_;
  Layout layout_;
  std::string version_;
  std::uint64_t address_ = 0;
  std::uint64_t names_ = 0;  ///< the Array of Arrays of names
};

}  // namespace ipcdoctor::runtime::ruby
