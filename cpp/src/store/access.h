#pragma once

#include <string>

#include "sqlite.h"

namespace headrace::sqlite {

/// Whether this process may do so (R_OK, W_OK, X_OK) with the file or folder. Sets errno where it may not.
bool may(const std::string& path, int how) noexcept;

/// Whether the file is there, and this user may not read it.
bool denied(const std::string& path) noexcept;

/// How this process may open a store's file. Somebody who may only read it makes no file beside it: the owner
/// could not write that one. StorageError where it can't be read.
Mode mode_for(const std::string& path);

/// The files of a store as they were when somebody who may only read it opened it. While a process of its
/// owner has it open, SQLite's locks keep what is read of one moment; else there are none to be had, and the
/// reader looks afterwards whether anything was written.
class Stamp {
 public:
  Stamp(std::string path, Mode mode);
  /// Whether what was read may be a mixture.
  bool moved() const noexcept { return !live_ && disturbed(); }
  /// Whether anything was written: then a fault that was found need not be one.
  bool disturbed() const noexcept;

 private:
  std::string look() const noexcept;

  std::string path_;
  bool live_;
  bool young_ = false;
  std::string seen_;
};

}  // namespace headrace::sqlite
