#pragma once

namespace ipcdoctor::cmd {

/// That of the project; of a work tree that is no release with what git tells
/// (cmake/version.cmake).
extern const char* const kVersion;

}  // namespace ipcdoctor::cmd
