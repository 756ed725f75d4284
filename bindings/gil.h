#pragma once

#include <cxxabi.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "pybind.h"

// How C++ threads meet the interpreter. pybind11's gil_scoped_acquire makes and destroys a thread state each
// time on a thread that Python didn't start (7 us); here each thread keeps its own (30 ns). Rule: nothing
// waits for one of our mutexes while it holds the GIL; every entry point releases it first.

/// Ends this thread's part without another step: the interpreter is shutting down under a call into Python,
/// and destructors on the way out would touch Python objects without the GIL. The process ends without this
/// thread.
[[noreturn]] void park() noexcept;

/// Calls into Python code that may take long.
template <typename Call>
auto into_python(Call call) {
  try {
    return call();
  } catch (abi::__forced_unwind&) {
    park();
  }
}

/// Holds the GIL on any thread, from construction to destruction. Must not be nested.
class WithGil {
 public:
  WithGil();
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
  ~WithGil();

 private:
  bool nested_ = false;
};

/// Whether this process was forked off the one that called `process_id` before: then threads and locks of
/// objects made there exist in memory only, and their destructors would wait for ever.
inline bool forked_since(pid_t process_id) noexcept {
  return ::getpid() != process_id;
}

/// A holder of what owns threads, which may want the GIL to end: it is given up meanwhile. In a forked
/// process it is never destroyed.
template <typename Held>
std::shared_ptr<Held> held_without_gil(std::shared_ptr<Held> held) {
  Held* raw = held.get();
  return {raw, [held = std::move(held), made_in = ::getpid()](Held*) mutable {
            if (forked_since(made_in)) {
              new std::shared_ptr<Held>(std::move(held));  // kept for ever
            } else if (Py_IsInitialized() && PyGILState_Check()) {
              const pybind11::gil_scoped_release release;
              held.reset();
            } else {
              held.reset();
            }
          }};
}

/// Keeps a Python object for code that knows nothing of Python: released with the GIL, whoever lets go last.
std::shared_ptr<void> keep(py::object object);
inline py::handle kept(const std::shared_ptr<void>& keeper) {
  return {static_cast<PyObject*>(keeper.get())};
}
