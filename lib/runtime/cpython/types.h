#pragma once

#include <string_view>
#include <unordered_map>

#include "runtime/cpython/objects.h"

namespace ipcdoctor::runtime::cpython {

/// What the reader does with an object of some type.
enum class Role {
  Plain,      ///< a number, a string, a function, a module: nothing to follow
  Container,  ///< list, tuple, dict, set, deque
  Instance,   ///< of a class written in Python that is none of those below: its attributes are
              ///< followed
  Method,     ///< a bound method: its self is followed
  Library,    ///< one of the types of objects.md, or a part of one
};

struct Type {
  Role role = Role::Plain;
  std::string_view name;  ///< Library only: the name in objects.md, such as "multiprocessing.Queue"
};

/// Recognises the types of the standard library by the module and name of the class or of one of
/// its bases.
class Types {
 public:
  explicit Types(const Objects& objects) : objects_(&objects) {}
  const Type& of(Object object) const;
  bool is(Object object, std::string_view library_name) const {
    return of(object).name == library_name;
  }

 private:
  Type classify(Object type) const;
  const Objects* objects_;
  mutable std::unordered_map<Object, Type> known_;
};

}  // namespace ipcdoctor::runtime::cpython
