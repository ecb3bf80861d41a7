#include "linux/btf_types.h"

#include <linux/btf.h>

#include <cstring>

namespace ipcdoctor::linux {
namespace {

constexpr int kMaxDepth = 4;  // of anonymous structs and unions

/// The caller has seen that it is there.
template <class T>
T read(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool is_composite(std::uint32_t info) {
  const auto kind = BTF_INFO_KIND(info);
  return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

/// Bytes behind a struct btf_type.
std::optional<std::size_t> size_of_rest(std::uint32_t info) {
  const std::size_t count = BTF_INFO_VLEN(info);
  switch (BTF_INFO_KIND(info)) {
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
      return 0;
    case BTF_KIND_INT:
      return sizeof(std::uint32_t);
    case BTF_KIND_ARRAY:
      return sizeof(btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      return count * sizeof(btf_member);
    case BTF_KIND_ENUM:
      return count * sizeof(btf_enum);
    case BTF_KIND_FUNC_PROTO:
      return count * sizeof(btf_param);
    case BTF_KIND_VAR:
      return sizeof(btf_var);
    case BTF_KIND_DATASEC:
      return count * sizeof(btf_var_secinfo);
    case BTF_KIND_DECL_TAG:
      return sizeof(btf_decl_tag);
    case BTF_KIND_ENUM64:
      return count * 3 * sizeof(std::uint32_t);  // struct btf_enum64, which older headers lack
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<Btf> Btf::parse(std::span<const std::byte> bytes) {
  const Error malformed{Cause::Malformed, 0, "read the types of the kernel"};
  if (bytes.size() < sizeof(btf_header)) return malformed;
  const auto header = read<btf_header>(bytes, 0);
  if (header.magic != BTF_MAGIC || header.hdr_len < sizeof(btf_header) ||
      header.hdr_len > bytes.size())
    return malformed;
  const auto body = bytes.subspan(header.hdr_len);
  const auto part = [&](std::size_t offset, std::size_t length) {
    const bool fits = offset <= body.size() && length <= body.size() - offset;
    return fits ? body.subspan(offset, length) : std::span<const std::byte>();
  };
  Btf btf;
  btf.types_ = part(header.type_off, header.type_len);
  btf.names_ = part(header.str_off, header.str_len);
  if (btf.types_.empty() || btf.names_.empty() || btf.names_.back() != std::byte{0})
    return malformed;
  for (std::size_t at = 0; at != btf.types_.size();) {
    if (btf.types_.size() - at < sizeof(btf_type)) return malformed;
    const auto type = read<btf_type>(btf.types_, at);
    const auto rest = size_of_rest(type.info);
    if (!rest) return Error{Cause::Unsupported, 0, malformed.what};
    if (btf.types_.size() - at - sizeof(btf_type) < *rest) return malformed;
    if (btf.count_++ % kStride == 0) btf.begins_.push_back(static_cast<std::uint32_t>(at));
    if (BTF_INFO_KIND(type.info) == BTF_KIND_STRUCT && type.name_off != 0)
      btf.structs_.push_back({type.name_off, btf.count_});
    at += sizeof(btf_type) + *rest;
  }
  return btf;
}

Btf::Type Btf::type_at(std::size_t begin) const {
  const auto found = read<btf_type>(types_, begin);
  return Type{found.name_off, found.info, found.size, begin + sizeof(btf_type)};
}

/// parse() has seen that each type's size is known.
std::size_t Btf::size_at(std::size_t begin) const {
  return sizeof(btf_type) + size_of_rest(type_at(begin).info).value_or(0);
}

std::optional<Btf::Type> Btf::type(std::uint32_t number) const {
  if (number == 0 || number > count_) return std::nullopt;
  std::size_t begin = begins_[(number - 1) / kStride];
  for (std::uint32_t left = (number - 1) % kStride; left != 0; --left) begin += size_at(begin);
  return type_at(begin);
}

/// Ends at the last byte of the names at the latest, which is 0.
std::string_view Btf::name_at(std::uint32_t offset) const {
  if (offset >= names_.size()) return "";
  return reinterpret_cast<const char*>(names_.data()) + offset;
}

bool Btf::is_named(std::uint32_t offset, std::string_view name) const {
  if (offset >= names_.size() || name.size() >= names_.size() - offset) return false;
  const std::byte* at = names_.data() + offset;
  return std::memcmp(at, name.data(), name.size()) == 0 && at[name.size()] == std::byte{0};
}

std::uint32_t Btf::find(std::string_view name, std::uint32_t kind) const {
  if (kind == BTF_KIND_STRUCT) {
    for (const Named& one : structs_)
      if (is_named(one.name, name)) return one.number;
    return 0;
  }
  std::size_t begin = 0;
  for (std::uint32_t number = 1; number <= count_; begin += size_at(begin), ++number) {
    const Type found = type_at(begin);
    if (BTF_INFO_KIND(found.info) == kind && is_named(found.name, name)) return number;
  }
  return 0;
}

std::optional<std::uint32_t> Btf::size_of(std::uint32_t number) const {
  const auto found = type(number);
  if (!found || !is_composite(found->info)) return std::nullopt;
  return found->size;
}

std::optional<std::uint32_t> Btf::offset_of(std::uint32_t type, std::string_view member) const {
  return offset_of(type, member, 0);
}

std::optional<std::uint32_t> Btf::offset_of(std::uint32_t number, std::string_view member,
                                            int depth) const {
  const auto composite = type(number);
  if (!composite || !is_composite(composite->info) || depth > kMaxDepth) return std::nullopt;
  const bool has_bitfields = BTF_INFO_KFLAG(composite->info);
  for (std::size_t i = 0; i < BTF_INFO_VLEN(composite->info); ++i) {
    const auto at = read<btf_member>(types_, composite->rest + i * sizeof(btf_member));
    const std::uint32_t bits = has_bitfields ? BTF_MEMBER_BIT_OFFSET(at.offset) : at.offset;
    const std::string_view name = name_at(at.name_off);
    if (name == member) return bits / 8;
    if (!name.empty()) continue;
    if (const auto inner = offset_of(at.type, member, depth + 1)) return bits / 8 + *inner;
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::linux
