#pragma once

#include <nlohmann/json.hpp>

#include "headrace/collect/outcome.h"
#include "headrace/flow/slice.h"

namespace headrace::native {

/// An outcome as the Python codecs write a headrace.collect.Outcome. Without what differs from one time to
/// the next (seconds, attempts, an answer's date) and without cookies: the same answer is the same value.
Value outcome_value(const collect::Outcome& outcome, const nlohmann::json& target);
Fault outcome_fault(const collect::Outcome& outcome);

}  // namespace headrace::native
