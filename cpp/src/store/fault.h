#pragma once

// Faults on demand, for the tests: compiled only with HEADRACE_FAULTS, and asleep without the environment
// variable HEADRACE_FAULT=KIND:NUMBER. Every write, sync, truncation, removal and rename of the store counts
// as one point; at point NUMBER (from 1 on):
//   kill   the process dies before the point        torn   half of the bytes are written, then it dies
//   full   the disk is full from here on            ioerr  this one point fails
// HEADRACE_BUSY_MS is how long to wait for a lock, instead of 30 s.
namespace headrace::sqlite::fault {

#ifdef HEADRACE_FAULTS
/// Name of the VFS to open files with; null: SQLite's own.
const char* vfs();
/// A point outside of SQLite's files. Throws StorageError where it must fail.
void point();
/// A point that can't fail: it may only be the last one.
void kill_point();
int busy_ms();
#else
inline const char* vfs() {
  return nullptr;
}
inline void point() {}
inline void kill_point() {}
inline int busy_ms() {
  return 30'000;
}
#endif

}  // namespace headrace::sqlite::fault
