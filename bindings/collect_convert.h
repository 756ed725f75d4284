#pragma once

#include <tuple>

#include "headrace/collect/policy.h"
#include "headrace/collect/stream.h"
#include "pybind.h"

/// (workers, timeout, max_output, (attempts, delay, multiplier, jitter, max_delay))
using LimitsTuple = std::tuple<int64_t, double, int64_t, std::tuple<int, double, double, double, double>>;

inline void set_limits(headrace::collect::Limits& limits, const LimitsTuple& values) {
  const auto& [workers, timeout, max_output, retry] = values;
  limits.workers = workers;
  limits.timeout = timeout;
  limits.max_output = max_output;
  const auto& [attempts, delay, multiplier, jitter, max_delay] = retry;
  limits.retry = {attempts, delay, multiplier, jitter, max_delay};
}

/// A stream whose thread is waited for without the GIL, whoever drops it.
struct StreamHandle {
  explicit StreamHandle(std::unique_ptr<headrace::collect::OutcomeStream> stream)
      : stream(std::move(stream)) {}
  StreamHandle(StreamHandle&&) = default;
  ~StreamHandle() {
    if (!stream) return;
    const py::gil_scoped_release release;
    stream.reset();
  }

  std::unique_ptr<headrace::collect::OutcomeStream> stream;
};
