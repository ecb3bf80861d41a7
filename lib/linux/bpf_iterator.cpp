// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "linux/bpf_iterator.h"

#include <fcntl.h>
#include <linux/btf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "linux/capabilities.h"
#include "linux/deputy.h"
#include "linux/namespaces.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux::bpf {
namespace {

constexpr int kCapPerfmon = 38, kCapBpf = 39;

/// Mapped where the kernel allows it (Linux 6.16): a read gives one page only, and there are more
/// than a thousand. @return errno as whatever failed left it, where there are no bytes
Pages read_types() {
  const UniqueFd file(::open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  const auto map = [size](int flags, int fd) {
    return ::mmap(nullptr, size, PROT_READ | (fd < 0 ? PROT_WRITE : 0), MAP_PRIVATE | flags, fd, 0);
  };
  if (void* mapped = map(MAP_POPULATE, file.get()); mapped != MAP_FAILED)
    return {static_cast<std::byte*>(mapped), size};
  void* copied = map(MAP_ANONYMOUS, -1);
  if (copied == MAP_FAILED) return {};
  Pages pages(static_cast<std::byte*>(copied), size);
  for (std::size_t at = 0; at < size;) {
    const ssize_t got = ::read(file.get(), pages.bytes().data() + at, size - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    at += static_cast<std::size_t>(got);
  }
  return pages;
}

Error failed(const char* what) {
  const int number = errno;
  const bool denied = number == EPERM || number == EACCES;
  return Error{denied ? Cause::Denied : Cause::Unsupported, number, what};
}

/// The kernel wants 0 in whatever a command does not use; {} clears one member of a union.
bpf_attr cleared() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  return attributes;
}

/// bpf(2), of which glibc knows nothing. @return a descriptor, closed if that failed
UniqueFd call_bpf(int command, bpf_attr& attributes) {
  return UniqueFd(static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes)));
}

/// The verifier gives up where a signal is pending (EAGAIN); then once more.
UniqueFd load(std::uint32_t type, std::string_view name,
              const std::vector<bpf_insn>& instructions) {
  bpf_attr attributes = cleared();
  attributes.prog_type = BPF_PROG_TYPE_TRACING;
  attributes.expected_attach_type = BPF_TRACE_ITER;
  attributes.attach_btf_id = type;
  attributes.insns = reinterpret_cast<std::uintptr_t>(instructions.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(instructions.size());
  // the helpers that it calls are for programs under the GPL; this file may be used under it
  attributes.license = reinterpret_cast<std::uintptr_t>("GPL");
  name.copy(attributes.prog_name, sizeof attributes.prog_name - 1);
  UniqueFd loaded;
  for (int attempt = 0; attempt < 5; ++attempt) {
    loaded = call_bpf(BPF_PROG_LOAD, attributes);
    if (loaded.is_open() || errno != EAGAIN) break;
  }
  return loaded;
}

}  // namespace

Pages::~Pages() {
  // cannot fail for what mmap gave
  if (!bytes_.empty()) (void)::munmap(bytes_.data(), bytes_.size());
}

Result<KernelTypes> KernelTypes::read() {
  const auto rights = read_own_rights();
  if (!rights) return rights.error();
  const bool may = (rights->effective_caps >> kCapBpf & 1) != 0 &&
                   (rights->effective_caps >> kCapPerfmon & 1) != 0;
  if (!may && !rights->is_admin()) return Error{Cause::Denied, EPERM, "load a BPF iterator"};
  const auto in_init = in_init_pid_namespace();
  if (!in_init) return in_init.error();
  if (!*in_init) return Error{Cause::Unsupported, 0, "load a BPF iterator: in a PID namespace"};
  Pages pages = read_types();
  if (pages.bytes().empty()) return failed("read /sys/kernel/btf/vmlinux");
  Result<Btf> types = Btf::parse(pages.bytes());
  if (!types) return types.error();
  return KernelTypes(std::move(pages), std::move(*types));
}

std::int16_t KernelTypes::kept(std::optional<std::uint32_t> number) {
  complete_ = complete_ && number && *number <= INT16_MAX;
  return complete_ ? static_cast<std::int16_t>(*number) : std::int16_t{0};
}

std::uint32_t KernelTypes::number_of(const char* type) const {
  const auto [it, is_new] = numbers_.try_emplace(type);
  if (is_new) it->second = types_.find(type, BTF_KIND_STRUCT);
  return it->second;
}

std::int16_t KernelTypes::offset(const char* type, std::string_view member) {
  return kept(types_.offset_of(number_of(type), member));
}

std::int16_t KernelTypes::size(const char* type) {
  return kept(types_.size_of(number_of(type)));
}

bool KernelTypes::has(const char* type, std::string_view member) const {
  return types_.offset_of(number_of(type), member).has_value();
}

std::uint32_t KernelTypes::iterator(const char* function) const {
  return types_.find(function, BTF_KIND_FUNC);
}

void Assembler::add(int code, int to, int from, int offset, int immediate) {
  bpf_insn instruction{};
  instruction.code = static_cast<__u8>(code);
  instruction.dst_reg = static_cast<__u8>(to & 0xf);
  instruction.src_reg = static_cast<__u8>(from & 0xf);
  instruction.off = static_cast<__s16>(offset);
  instruction.imm = immediate;
  instructions_.push_back(instruction);
}

void Assembler::write(int context, std::size_t size) {
  load(BPF_DW, 1, context, 0);  // bpf_iter__...::meta
  load(BPF_DW, 1, 1, 0);        // bpf_iter_meta::seq
  move(2, 10);
  add_number(2, -static_cast<int>(size));
  move_number(3, static_cast<int>(size));
  call(BPF_FUNC_seq_write);
}

Result<UniqueFd> load_iterator(const KernelTypes& types, const char* function, const char* name,
                               const std::vector<bpf_insn>& instructions) {
  const std::uint32_t type = types.iterator(function);
  if (type == 0 || !types.is_complete())
    return Error{Cause::Unsupported, 0, "load a BPF iterator: types of this kernel"};
  const UniqueFd loaded = load(type, name, instructions);
  if (!loaded.is_open()) return failed("load a BPF iterator");
  bpf_attr attributes = cleared();
  attributes.link_create.prog_fd = static_cast<std::uint32_t>(loaded.get());
  attributes.link_create.attach_type = BPF_TRACE_ITER;
  UniqueFd link = call_bpf(BPF_LINK_CREATE, attributes);
  if (!link.is_open()) return failed("attach a BPF iterator");
  return link;
}

Result<UniqueFd> start_iterator(const UniqueFd& loaded) {
  if (deputy::is_asked()) return deputy::ask_descriptor(deputy::Wish::Iterate, 0, loaded.get());
  bpf_attr attributes = cleared();
  attributes.iter_create.link_fd = static_cast<std::uint32_t>(loaded.get());
  UniqueFd iterator = call_bpf(BPF_ITER_CREATE, attributes);
  if (!iterator.is_open()) return failed("create a BPF iterator");
  return iterator;
}

Status run_iterator(const UniqueFd& loaded,
                    const std::function<Status(std::span<const std::byte>)>& take) {
  const auto iterator = start_iterator(loaded);
  if (!iterator) return iterator.error();
  std::vector<std::byte> piece(64 << 10);
  for (;;) {
    const ssize_t got = ::read(iterator->get(), piece.data(), piece.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return failed("read a BPF iterator");
    if (got == 0) return Done{};
    const Status taken = take(std::span(piece).first(static_cast<std::size_t>(got)));
    if (!taken) return taken;
  }
}

}  // namespace ipcdoctor::linux::bpf
