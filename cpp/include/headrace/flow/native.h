#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/flow/context.h"
#include "headrace/flow/stage.h"

namespace headrace::native {

using Json = nlohmann::json;
using Keyed = std::vector<std::pair<std::string, Json>>;

/// Stages out of C++ functions over JSON values. What a function throws is its unit's failure: an Error of
/// the tree in its category, anything else as a permanent one; only TimeoutError and ResourceError are worth
/// a retry. `version` takes the place of the code's fingerprint: change it when the function changes.

/// Once per run; the values added to the context are its checkpoint, a JSON object.
std::shared_ptr<Stage> step(std::string name, std::function<Context(const Context&)> function,
                            std::string version = "1");
/// `make` opens the listing; the function it returns gives one (key, value) after the other, then nothing.
std::shared_ptr<Stage> source(
    std::string name,
    std::function<std::function<std::optional<std::pair<std::string, Json>>()>(const Context&)> make,
    std::string version = "1");
std::shared_ptr<Stage> map(std::string name, std::string over,
                           std::function<Json(const Context&, const Json&)> function,
                           std::string version = "1");
/// Children by their local keys.
std::shared_ptr<Stage> flat_map(std::string name, std::string over,
                                std::function<Keyed(const Context&, const Json&)> function,
                                std::string version = "1");
/// As many results as values, in their order.
std::shared_ptr<Stage> batch(
    std::string name, std::string over, int size,
    std::function<std::vector<Json>(const Context&, const std::vector<Json>&)> function,
    std::string version = "1");
/// Keys of the parts are JSON: ["a.txt","0"].
std::shared_ptr<Stage> group(std::string name, std::string over, std::string by,
                             std::function<Json(const Context&, const Keyed&)> function,
                             std::string version = "1");

}  // namespace headrace::native
