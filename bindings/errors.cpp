#include "headrace/base/error.h"
#include "pybind.h"

namespace {

using namespace headrace;

// The Python classes are written in Python (headrace.errors): attributes, documentation, pickling.
py::object python_class(const char* name) {
  return py::module_::import("headrace.errors").attr(name);
}

void raise(const char* name, const std::exception& error) {
  PyErr_SetObject(python_class(name).ptr(), py::str(error.what()).ptr());
}

void raise_stage_error(const StageError& error) {
  py::object instance = python_class("StageError")(error.stage(), error.key(), py::none(), error.what());
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(instance.ptr())), instance.ptr());
}

}  // namespace

// The one translator between the two error trees; most derived first.
void bind_errors(py::module_& m) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const StageError& error) {
      raise_stage_error(error);
    } catch (const TimeoutError& error) {
      raise("TimeoutError", error);
    } catch (const ConfigurationError& error) {
      raise("ConfigurationError", error);
    } catch (const WorkflowValidationError& error) {
      raise("WorkflowValidationError", error);
    } catch (const CheckpointCorruptionError& error) {
      raise("CheckpointCorruptionError", error);
    } catch (const StateInconsistencyError& error) {
      raise("StateInconsistencyError", error);
    } catch (const GuardError& error) {
      raise("GuardError", error);
    } catch (const EmbeddingError& error) {
      raise("EmbeddingError", error);
    } catch (const StorageError& error) {
      raise("StorageError", error);
    } catch (const RunActiveError& error) {
      raise("RunActiveError", error);
    } catch (const ResourceError& error) {
      raise("ResourceError", error);
    } catch (const CancelledError& error) {
      raise("CancelledError", error);
    } catch (const PipelineError& error) {
      raise("PipelineError", error);
    } catch (const Error& error) {
      raise("HeadraceError", error);
    }
  });
}
