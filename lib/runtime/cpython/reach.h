#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/types.h"

namespace ipcdoctor::runtime::cpython {

/// An object of the standard library that was reached, and how.
struct Reached {
  Object object = 0;
  std::string_view type;  ///< as in objects.md
  std::string name;  ///< "jobs", "self.jobs", "jobs._rlock"; "" if only the library's own frames
                     ///< refer to it
  std::string_view part_of = {};  ///< type of the library's object that it was found in; "" if none
};

/// Walks from frames' locals and user modules' globals through containers and attributes, breadth
/// first, within a budget. Objects that user code names come first and keep that name.
class Reach {
 public:
  Reach(const Objects& objects, const Types& types, const Frames& frames)
      : objects_(&objects), types_(&types), frames_(&frames) {}

  /// Adds what these frames of a thread refer to; its user frames and their modules first.
  void add_user_roots(const std::vector<PyFrame>& thread);
  void add_library_roots(const std::vector<PyFrame>& thread);
  void add_root(Object object, std::string name) { push(object, std::move(name), 0); }
  void add_module(Object dict);
  /// Follows everything that was added so far, until `limit` objects were followed in all.
  void walk(std::size_t limit);

  const std::vector<Reached>& all() const { return reached_; }
  /// The name of an object that was reached; "" if none.
  std::string name_of(Object object) const;
  /// The type of the library's object that it was found in; "" if none.
  std::string_view owner_type_of(Object object) const;

 private:
  struct Pending {
    Object object = 0;
    std::string name;
    int depth = 0;
  };
  void push(Object object, std::string name, int depth, std::string_view part_of = {});
  void follow(const Pending& from);

  const Objects* objects_;
  const Types* types_;
  const Frames* frames_;
  std::vector<Pending> queue_;
  std::size_t next_ = 0;
  std::size_t limit_ = 4000;
  std::unordered_set<Object> seen_;
  std::unordered_set<Object> modules_;
  std::vector<Reached> reached_;
  std::unordered_map<Object, std::size_t> index_;
};

}  // namespace ipcdoctor::runtime::cpython
