#include "runtime/cpython/reach.h"

#include <utility>

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxItems = 64;  // of one container or instance
constexpr int kMaxDepth = 5;

std::string member(const std::string& of, std::string_view name) {
  return of.empty() ? std::string() : of + "." + std::string(name);
}

}  // namespace

void Reach::push(Object object, std::string name, int depth, std::string_view part_of) {
  if (object == 0 || queue_.size() >= limit_) return;
  const Type& type = types_->of(object);
  if (type.role == Role::Plain) return;
  if (!seen_.insert(object).second) return;
  if (type.role == Role::Library) {
    index_.emplace(object, reached_.size());
    reached_.push_back({object, type.name, name, part_of});
  }
  if (depth < kMaxDepth) queue_.push_back({object, std::move(name), depth});
}

void Reach::add_module(Object dict) {
  if (dict == 0 || !modules_.insert(dict).second) return;
  objects_->each_entry(
      dict,
      [&](Object key, Object value) {
        const Type& type = types_->of(value);
        if (type.role == Role::Plain) return true;
        const std::string& name = objects_->key_name(key);
        // Names with two underscores are the interpreter's: __builtins__, __spec__, __loader__.
        if (!name.empty() && !name.starts_with("__")) push(value, name, 1);
        return true;
      },
      1024);
}

void Reach::add_user_roots(const std::vector<PyFrame>& thread) {
  for (const PyFrame& f : thread) {
    if (f.library) continue;
    for (auto& [name, object] : frames_->locals(f)) push(object, name, 0);
  }
  for (const PyFrame& f : thread) {
    if (!f.library) add_module(f.globals);
  }
}

void Reach::add_library_roots(const std::vector<PyFrame>& thread) {
  for (const PyFrame& f : thread) {
    if (!f.library) continue;
    for (auto& [name, object] : frames_->locals(f)) push(object, {}, 1);
  }
}

void Reach::walk(std::size_t limit) {
  limit_ = limit;
  while (next_ < queue_.size()) {
    const Pending from = std::move(queue_[next_++]);
    follow(from);
  }
}

void Reach::follow(const Pending& from) {
  const Type type = types_->of(from.object);
  const int depth = from.depth + 1;
  if (type.role == Role::Method) return push(objects_->bound_self(from.object), from.name, depth);
  if (type.role == Role::Container) {
    const auto flags = objects_->dict_size(from.object);
    if (!flags) {
      for (const Object item : objects_->items(from.object, kMaxItems))
        push(item, from.name, depth);
      return;
    }
    return objects_->each_entry(
        from.object,
        [&](Object, Object value) {
          push(value, from.name, depth);
          return true;
        },
        kMaxItems);
  }
  if (type.name == "io.TextIOWrapper")
    return push(objects_->remote().pointer(objects_->member(from.object, 32)), from.name, depth);
  if (type.name == "weakref")
    return push(objects_->remote().pointer(objects_->member(from.object, 16)), from.name, depth);
  objects_->each_value(
      from.object,
      [&](Object key, Object value) {
        if (types_->of(value).role == Role::Plain) return true;
        const std::string& name = objects_->key_name(key);
        if (!name.empty()) push(value, member(from.name, name), depth, type.name);
        return true;
      },
      kMaxItems);
}

std::string Reach::name_of(Object object) const {
  const auto found = index_.find(object);
  return found == index_.end() ? std::string() : reached_[found->second].name;
}

std::string_view Reach::owner_type_of(Object object) const {
  const auto found = index_.find(object);
  return found == index_.end() ? std::string_view() : reached_[found->second].part_of;
}

}  // namespace ipcdoctor::runtime::cpython
