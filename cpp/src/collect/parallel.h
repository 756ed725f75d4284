#pragma once

#include <functional>
#include <memory>

#include "dispatcher.h"

namespace headrace::collect {

/// Makes a workload of all targets. Called once a thread, from the calling one.
using MakeWorkload = std::function<std::unique_ptr<Workload>()>;

/// Works through the targets with as many dispatchers, each in a thread of its own, as there are cores to
/// keep busy: for work of which the dispatching thread does much itself (starting a process stops it until
/// the program is loaded). The sink is called by one thread at a time. What one of them throws ends all.
void collect_in_parallel(const MakeWorkload& make, int64_t targets, const Limits& limits, OutcomeSink& sink,
                         const CancelToken& cancel);

}  // namespace headrace::collect
