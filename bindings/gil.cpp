#include "gil.h"

#include <unistd.h>

namespace {

/// The thread state of a thread that Python didn't start; given back when the thread ends.
struct OwnState {
  PyThreadState* state = nullptr;
  ~OwnState() {
    if (!state || !Py_IsInitialized() || _Py_IsFinalizing()) return;
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
  }
};

thread_local OwnState own;

PyThreadState* state_of_this_thread() {
  if (own.state) return own.state;
  if (PyThreadState* known = PyGILState_GetThisThreadState()) return known;
  own.state = PyThreadState_New(PyInterpreterState_Main());
  return own.state;
}

}  // namespace

void park() noexcept {
  while (true) ::pause();
}

WithGil::WithGil() : nested_(PyGILState_GetThisThreadState() != nullptr && PyGILState_Check() != 0) {
  if (!nested_) PyEval_RestoreThread(state_of_this_thread());
}

WithGil::~WithGil() {
  // Without the GIL: the interpreter is ending, and took it away.
  if (!nested_ && PyGILState_Check() != 0) PyEval_SaveThread();
}

std::shared_ptr<void> keep(py::object object) {
  return {object.release().ptr(), [](void* pointer) {
            if (!Py_IsInitialized() || _Py_IsFinalizing()) return;
            const WithGil gil;
            Py_DECREF(static_cast<PyObject*>(pointer));
          }};
}
