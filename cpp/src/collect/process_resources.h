#pragma once

#include <fcntl.h>

#include <cstring>
#include <string>

#include "fd.h"
#include "headrace/base/error.h"

namespace headrace::collect {

[[noreturn]] inline void throw_no_resource(const char* what, int error) {
  throw ResourceError(std::string(what) + ": " + std::strerror(error) +
                      "; use fewer workers or raise the limit (ulimit -n, ulimit -u)");
}

/// A host may have closed its standard descriptors: what is opened must not land on their numbers.
inline UniqueFd above_standard(int fd) {
  if (fd < 0 || fd > 2) return UniqueFd(fd);
  const UniqueFd low(fd);
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

}  // namespace headrace::collect
