#include "unit_value.h"

namespace headrace::native {

namespace {

/// {"$data": ["module:Class", {fields}]} is what the Python codecs make of an object.
const nlohmann::json* fields_of(const nlohmann::json& value) {
  if (!value.is_object()) return nullptr;
  if (value.size() != 1) return &value;
  const std::string tag = value.begin().key();
  if (tag != "$data" && tag != "$model" && tag != "$named") return &value;
  const nlohmann::json& content = value.front();
  return content.is_array() && content.size() > 1 && content[1].is_object() ? &content[1] : nullptr;
}

}  // namespace

nlohmann::json parse_value(const Value& value) {
  if (value.empty()) return nullptr;
  if (!value.text()) throw ConfigurationError("its value is bulk (bytes or an array), not text");
  nlohmann::json parsed = nlohmann::json::parse(value.bytes(), nullptr, false);
  if (parsed.is_discarded()) throw ConfigurationError("its value holds lone surrogates, which are no text");
  return parsed;
}

const nlohmann::json* find_field(const nlohmann::json& value, const std::string& name) {
  const nlohmann::json* fields = fields_of(value);
  if (fields == nullptr) return nullptr;
  const auto found = fields->find(name);
  return found == fields->end() ? nullptr : &*found;
}

std::string text_of(const nlohmann::json& value, const std::string& field, const std::string& wanted) {
  const nlohmann::json* text = value.is_string() ? &value : find_field(value, field);
  if (text != nullptr && text->is_string()) return text->get<std::string>();
  throw ConfigurationError("its value is not " + wanted + ": give a string, or a mapping with '" + field +
                           "'");
}

std::string to_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Fault configuration_fault(const std::string& message) {
  return {"ConfigurationError", message, "", Category::kConfiguration, false, false, false};
}

}  // namespace headrace::native
