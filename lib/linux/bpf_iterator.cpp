// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#ifdef IPCDOCTOR_HAVE_BPF
#include "linux/bpf_iterator.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "linux/capabilities.h"
#include "linux/namespaces.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux::bpf {
namespace {

constexpr int kCapPerfmon = 38, kCapBpf = 39;

std::optional<std::int16_t> find_member(const btf* types, std::uint32_t type, std::string_view name,
                                        int depth = 0) {
  const btf_type* composite = btf__type_by_id(types, type);
  if (composite == nullptr || !btf_is_composite(composite) || depth > 4) return std::nullopt;
  const btf_member* members = btf_members(composite);
  for (std::uint32_t i = 0; i < btf_vlen(composite); ++i) {
    const char* member = btf__name_by_offset(types, members[i].name_off);
    const std::int64_t offset = btf_member_bit_offset(composite, i) / 8;
    std::optional<std::int64_t> found;
    if (member != nullptr && member == name) {
      found = offset;
    } else if (member == nullptr || *member == '\0') {
      if (const auto inner = find_member(types, members[i].type, name, depth + 1))
        found = offset + *inner;
    }
    if (found && *found <= INT16_MAX) return static_cast<std::int16_t>(*found);
  }
  return std::nullopt;
}

/// Mapped where the kernel allows it (Linux 6.16): a read gives one page only, and there are more
/// than a thousand.
btf* read_types() {
  constexpr const char* kPath = "/sys/kernel/btf/vmlinux";
  const UniqueFd file(::open(kPath, O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return nullptr;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
  if (mapped == MAP_FAILED) return btf__parse(kPath, nullptr);
  btf* types = btf__new(mapped, static_cast<__u32>(size));
  (void)::munmap(mapped, size);  // cannot fail for what mmap gave
  return types;
}

Error failed(const char* what) {
  const int number = errno;
  const bool denied = number == EPERM || number == EACCES;
  return Error{denied ? Cause::Denied : Cause::Unsupported, number, what};
}

}  // namespace

Result<KernelTypes> KernelTypes::read() {
  const auto rights = read_own_rights();
  if (!rights) return rights.error();
  const bool may = (rights->effective_caps >> kCapBpf & 1) != 0 &&
                   (rights->effective_caps >> kCapPerfmon & 1) != 0;
  if (!may && !rights->is_admin()) return Error{Cause::Denied, EPERM, "load a BPF iterator"};
  const auto in_init = in_init_pid_namespace();
  if (!in_init) return in_init.error();
  if (!*in_init) return Error{Cause::Unsupported, 0, "load a BPF iterator: in a PID namespace"};
  libbpf_set_print(nullptr);
  btf* types = read_types();
  if (types == nullptr) return failed("read /sys/kernel/btf/vmlinux");
  return KernelTypes(types);
}

KernelTypes::KernelTypes(KernelTypes&& from) noexcept
    : types_(std::exchange(from.types_, nullptr)), complete_(from.complete_) {}

KernelTypes::~KernelTypes() {
  if (types_ != nullptr) btf__free(types_);
}

std::int16_t KernelTypes::offset(const char* type, std::string_view member) {
  const int id = btf__find_by_name_kind(types_, type, BTF_KIND_STRUCT);
  // 0 is void: it has no members
  const auto found = find_member(types_, id > 0 ? static_cast<std::uint32_t>(id) : 0, member);
  complete_ = complete_ && found;
  return found.value_or(0);
}

std::int16_t KernelTypes::size(const char* type) {
  const int id = btf__find_by_name_kind(types_, type, BTF_KIND_STRUCT);
  const auto size = id > 0 ? btf__resolve_size(types_, static_cast<std::uint32_t>(id)) : 0;
  complete_ = complete_ && size > 0 && size <= INT16_MAX;
  return static_cast<std::int16_t>(size);
}

int KernelTypes::iterator(const char* function) const {
  return btf__find_by_name_kind(types_, function, BTF_KIND_FUNC);
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

Status run_iterator(const KernelTypes& types, const char* function, const char* name,
                    const std::vector<bpf_insn>& instructions,
                    const std::function<Status(std::span<const std::byte>)>& take) {
  const int type = types.iterator(function);
  if (type < 0 || !types.is_complete())
    return Error{Cause::Unsupported, 0, "load a BPF iterator: types of this kernel"};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = BPF_TRACE_ITER;
  options.attach_btf_id = static_cast<__u32>(type);
  // the helpers that it calls are for programs under the GPL; this file may be used under it
  const UniqueFd loaded(bpf_prog_load(BPF_PROG_TYPE_TRACING, name, "GPL", instructions.data(),
                                      instructions.size(), &options));
  if (!loaded.is_open()) return failed("load a BPF iterator");
  const UniqueFd link(bpf_link_create(loaded.get(), 0, BPF_TRACE_ITER, nullptr));
  if (!link.is_open()) return failed("attach a BPF iterator");
  const UniqueFd iterator(bpf_iter_create(link.get()));
  if (!iterator.is_open()) return failed("create a BPF iterator");
  std::vector<std::byte> piece(64 << 10);
  for (;;) {
    const ssize_t got = ::read(iterator.get(), piece.data(), piece.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return failed("read a BPF iterator");
    if (got == 0) return Done{};
    const Status taken = take(std::span(piece).first(static_cast<std::size_t>(got)));
    if (!taken) return taken;
  }
}

}  // namespace ipcdoctor::linux::bpf

#endif
