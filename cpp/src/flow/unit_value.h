#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "headrace/flow/slice.h"

namespace headrace::native {

/// A unit's value. ConfigurationError where it is bulk (bytes, an array) or no text that JSON can hold.
nlohmann::json parse_value(const Value& value);
/// A field of a mapping, or of a recorded object (dataclass, model, named tuple); null where there is none.
const nlohmann::json* find_field(const nlohmann::json& value, const std::string& name);
/// The value itself where it is a string, else its field of that name. ConfigurationError that says what
/// `wanted` is.
std::string text_of(const nlohmann::json& value, const std::string& field, const std::string& wanted);

std::string to_text(const nlohmann::json& value);
/// What stopped a unit before it began: its value is wrong.
Fault configuration_fault(const std::string& message);

}  // namespace headrace::native
