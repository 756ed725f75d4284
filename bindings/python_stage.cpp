#include "python_stage.h"

#include <chrono>

using namespace headrace;

namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Category category(const std::string& name) {
  if (name == "transient") return Category::kTransient;
  if (name == "resource") return Category::kResource;
  if (name == "configuration") return Category::kConfiguration;
  return name == "code" ? Category::kCode : Category::kPermanent;
}

/// Calls a function whose work may take long; error_already_set where it raised.
py::object call(py::handle function, std::vector<PyObject*> arguments) {
  PyObject* answer = into_python(
      [&] { return PyObject_Vectorcall(function.ptr(), arguments.data(), arguments.size(), nullptr); });
  if (!answer) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(answer);
}

/// Items out of a Python iterator, through the glue.
class PythonStream final : public SourceStream {
 public:
  PythonStream(py::object iterator, std::shared_ptr<void> glue, std::shared_ptr<Codec> codec,
               std::function<Fault(py::error_already_set&)> fault)
      : iterator_(keep(std::move(iterator))),
        glue_(std::move(glue)),
        codec_(std::move(codec)),
        fault_(std::move(fault)) {}

  bool next(std::size_t most, std::vector<Emitted>& out) override {
    const WithGil gil;
    try {
      for (std::size_t i = 0; i < most; ++i) {
        const auto entry = py::reinterpret_steal<py::object>(
            into_python([&] { return PyIter_Next(kept(iterator_).ptr()); }));
        if (!entry) {
          if (PyErr_Occurred()) throw py::error_already_set();
          return false;
        }
        Emitted pair;
        out.push_back(plain_pair(entry, pair) ? std::move(pair)
                                              : emitted(kept(glue_).attr("item")(entry), *codec_));
      }
      return true;
    } catch (py::error_already_set& error) {
      throw FaultError(fault_(error));
    }
  }

 private:
  /// The common case without a detour through Python: (string, value).
  bool plain_pair(py::handle entry, Emitted& out) const {
    if (!PyTuple_CheckExact(entry.ptr()) || PyTuple_GET_SIZE(entry.ptr()) != 2) return false;
    PyObject* key = PyTuple_GET_ITEM(entry.ptr(), 0);
    if (!PyUnicode_CheckExact(key) || !quote(key, out.key)) return false;
    out.value = codec_->encode(PyTuple_GET_ITEM(entry.ptr(), 1));
    return true;
  }

  std::shared_ptr<void> iterator_;
  std::shared_ptr<void> glue_;
  std::shared_ptr<Codec> codec_;
  std::function<Fault(py::error_already_set&)> fault_;
};

}  // namespace

Emitted emitted(py::handle tuple, const Codec& codec) {
  const auto entry = py::reinterpret_borrow<py::tuple>(tuple);
  Emitted one;
  one.key = entry[0].cast<std::string>();
  if (!entry[1].is_none()) one.version = hash64(entry[1].cast<std::string>());
  if (entry[3].is_none()) {
    one.value = codec.encode(py::object(entry[2]).ptr());
  } else {
    one.payload = keep(entry[3]);
  }
  return one;
}

PythonStage::PythonStage(std::string name, Form form, py::object function, py::object glue,
                         std::string identity)
    : Stage(std::move(name), form), identity_(std::move(identity)) {
  codec_ = std::shared_ptr<Codec>(
      new Codec(glue.attr("encode"), glue.attr("decode"), !glue.attr("codec").is_none()), [](Codec* codec) {
        if (!Py_IsInitialized() || _Py_IsFinalizing()) return;
        const WithGil gil;
        delete codec;
      });
  function_ = keep(std::move(function));
  glue_ = keep(std::move(glue));
}

Fault PythonStage::fault(py::error_already_set& error) const {
  // The value knows where it was raised only once it is told.
  if (error.trace()) PyException_SetTraceback(error.value().ptr(), error.trace().ptr());
  const auto told = kept(glue_).attr("describe")(error.value()).cast<py::tuple>();
  Fault fault;
  fault.error_type = told[0].cast<std::string>();
  fault.message = told[1].cast<std::string>();
  fault.traceback = told[2].cast<std::string>();
  fault.category = category(told[3].cast<std::string>());
  fault.retryable = told[4].cast<bool>();
  fault.interrupted = told[5].cast<bool>();
  return fault;
}

py::object PythonStage::context(const RunInfo& run, const Unit& unit, std::shared_ptr<UnitView>& view) const {
  view = std::make_shared<UnitView>(
      UnitView{unit.item, unit.previous, run.cancel, std::max(1, unit.attempt), unit.reconcile});
  return kept(glue_).attr("context")(view);
}

py::object PythonStage::input(const Unit& unit) const {
  if (unit.parts) {
    py::list parts;
    const py::object key = kept(glue_).attr("key");
    for (const Part& part : *unit.parts)
      parts.append(py::make_tuple(key(part.item->key), codec_->decode(part.value)));
    return parts;
  }
  if (unit.value.empty() && unit.item && unit.item->payload) return kept(unit.item->payload)();
  return codec_->decode(unit.value);
}

void PythonStage::run(const RunInfo& run, Slice& slice) {
  const WithGil gil;
  if (form() == Form::kBatch && !slice.removal) return run_batches(run, slice);
  whole_slices && !slice.removal ? run_slices(run, slice) : run_units(run, slice);
}

/// Encodes one answer; the values of a slice are set at its end, when the shared buffer is sealed.
void PythonStage::finish(Slice& slice, std::size_t index, PyObject* answer, Codec::Buffer& buffer,
                         std::vector<std::size_t>& done) const {
  if (slice.removal) return;
  if (form() == Form::kFlatMap) {
    for (const py::handle child : kept(glue_).attr("children")(py::handle(answer))) {
      slice.results[index].children.push_back(emitted(child, *codec_));
    }
    return;
  }
  codec_->encode(answer, buffer);
  done.push_back(index);
}

py::object PythonStage::ask(const py::object& function, const py::object& ctx, const Unit& unit,
                            bool removal) {
  const bool takes_value = form() != Form::kStep && !removal;
  const py::object value = takes_value ? input(unit)
                           : removal   ? kept(glue_).attr("key")(unit.item->key)
                                       : py::object();
  PyObject* arguments[2] = {ctx.ptr(), value.ptr()};
  const std::size_t count = takes_value || removal ? 2 : 1;
  auto answer = py::reinterpret_steal<py::object>(
      into_python([&] { return PyObject_Vectorcall(function.ptr(), arguments, count, nullptr); }));
  if (!answer) throw py::error_already_set();
  return answer;
}

void PythonStage::run_units(const RunInfo& run, Slice& slice) {
  const py::object function =
      slice.removal ? kept(glue_).attr("removed") : py::reinterpret_borrow<py::object>(kept(function_));
  Codec::Buffer buffer;
  buffer.reserve(slice.units.size(), slice.units.size() * 256);
  std::vector<std::size_t> done;
  done.reserve(slice.units.size());
  std::shared_ptr<UnitView> view;
  py::object ctx;
  std::int64_t began = now_ns();
  for (std::size_t i = 0; i < slice.units.size(); ++i) {
    const Unit& unit = slice.units[i];
    try {
      // One context serves the slice, unless somebody kept it.
      if (!ctx || Py_REFCNT(ctx.ptr()) > 1 || view.use_count() > 2) {
        ctx = context(run, unit, view);
      } else {
        *view = {unit.item, unit.previous, run.cancel, std::max(1, unit.attempt), unit.reconcile};
      }
      finish(slice, i, ask(function, ctx, unit, slice.removal).ptr(), buffer, done);
    } catch (py::error_already_set& error) {
      slice.results[i].fault = fault(error);
    }
    const std::int64_t ended = now_ns();
    slice.results[i].micros = (ended - began) / 1000;
    began = ended;
    if (run.cancel.cancelled() && i + 1 < slice.units.size()) {
      // The rest was not begun: it is not recorded, and a resumed run does it.
      slice.units.resize(i + 1);
      slice.results.resize(i + 1);
      break;
    }
  }
  std::vector<Value> values = buffer.seal();
  for (std::size_t i = 0; i < done.size(); ++i) slice.results[done[i]].value = std::move(values[i]);
}

void PythonStage::run_slices(const RunInfo& run, Slice& slice) {
  py::list contexts;
  py::list values;
  const std::int64_t began = now_ns();
  for (const Unit& unit : slice.units) {
    std::shared_ptr<UnitView> view;
    contexts.append(context(run, unit, view));
    values.append(form() == Form::kStep ? py::none() : input(unit));
  }
  const auto answers = call(kept(function_), {contexts.ptr(), values.ptr()}).cast<py::list>();
  Codec::Buffer buffer;
  std::vector<std::size_t> done;
  for (std::size_t i = 0; i < slice.units.size(); ++i) {
    const auto answer = answers[i].cast<py::tuple>();
    try {
      if (!answer[0].cast<bool>()) {
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(answer[1].ptr())), py::object(answer[1]).ptr());
        throw py::error_already_set();
      }
      finish(slice, i, py::object(answer[1]).ptr(), buffer, done);
    } catch (py::error_already_set& error) {
      slice.results[i].fault = fault(error);
    }
    slice.results[i].micros = (now_ns() - began) / 1000 / static_cast<std::int64_t>(slice.units.size());
  }
  std::vector<Value> sealed = buffer.seal();
  for (std::size_t i = 0; i < done.size(); ++i) slice.results[done[i]].value = std::move(sealed[i]);
}

/// Effects that may have happened go in calls of their own: what is asked then, is asked of all values of a
/// call.
void PythonStage::run_batches(const RunInfo& run, Slice& slice) {
  const auto standing = [&](std::size_t i) {
    const Unit& unit = slice.units[i];
    return policy.effect ? std::pair(unit.reconcile, unit.attempt > 1) : std::pair(false, false);
  };
  for (std::size_t from = 0; from < slice.units.size();) {
    std::size_t to = from + 1;
    while (to < slice.units.size() && standing(to) == standing(from)) ++to;
    run_batch(run, slice, from, to);
    from = to;
  }
}

/// A group that fails for good is halved until the poison item stands alone.
void PythonStage::run_batch(const RunInfo& run, Slice& slice, std::size_t from, std::size_t to) {
  const std::int64_t began = now_ns();
  try {
    py::list values;
    for (std::size_t i = from; i < to; ++i) values.append(input(slice.units[i]));
    Unit group = slice.units[from];
    group.item = nullptr;
    std::shared_ptr<UnitView> view;
    const py::object ctx = context(run, group, view);
    const py::object answers =
        call(kept(glue_).attr("batch"), {kept(function_).ptr(), ctx.ptr(), values.ptr()});
    Codec::Buffer buffer;
    std::vector<std::size_t> done;
    for (std::size_t i = from; i < to; ++i) {
      const auto answer = py::reinterpret_steal<py::object>(
          PySequence_GetItem(answers.ptr(), static_cast<Py_ssize_t>(i - from)));
      try {
        finish(slice, i, answer.ptr(), buffer, done);
      } catch (py::error_already_set& error) {
        slice.results[i].fault = fault(error);
      }
      slice.results[i].micros = (now_ns() - began) / 1000 / static_cast<std::int64_t>(to - from);
    }
    std::vector<Value> sealed = buffer.seal();
    for (std::size_t i = 0; i < done.size(); ++i) slice.results[done[i]].value = std::move(sealed[i]);
  } catch (py::error_already_set& error) {
    const Fault told = fault(error);
    const bool again = told.retryable && slice.units[from].attempt < policy.retry.attempts;
    if (to - from > 1 && !again && !policy.effect && told.category != Category::kConfiguration) {
      const std::size_t middle = from + (to - from) / 2;
      run_batch(run, slice, from, middle);
      return run_batch(run, slice, middle, to);
    }
    for (std::size_t i = from; i < to; ++i) slice.results[i].fault = told;
  }
}

std::unique_ptr<SourceStream> PythonStage::open(const RunInfo& run) {
  const WithGil gil;
  const auto describe = [this](py::error_already_set& error) { return fault(error); };
  try {
    std::shared_ptr<UnitView> view;
    return std::make_unique<PythonStream>(
        kept(glue_).attr("items")(kept(function_), context(run, Unit(), view)), glue_, codec_, describe);
  } catch (py::error_already_set& error) {
    throw FaultError(fault(error));
  }
}

std::vector<Emitted> PythonStage::split(const RunInfo&, const Value& value) {
  const WithGil gil;
  try {
    std::vector<Emitted> items;
    for (const py::handle entry : kept(glue_).attr("split")(codec_->decode(value)))
      items.push_back(emitted(entry, *codec_));
    return items;
  } catch (py::error_already_set& error) {
    throw FaultError(fault(error));
  }
}

bool PythonStage::still_valid(const RunInfo&, const Checkpoint& recorded) {
  const WithGil gil;
  try {
    return kept(glue_).attr("still_valid")(recorded.run).cast<bool>();
  } catch (py::error_already_set& error) {
    throw FaultError(fault(error));
  }
}
