#include "outcome_value.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "unit_value.h"

namespace headrace::native {

namespace {

using Json = nlohmann::ordered_json;
using collect::ErrorType;
using collect::Outcome;

Json bytes(const std::string& data) {
  std::string text((data.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(data.data()), static_cast<int>(data.size()));
  text.resize(static_cast<std::size_t>(size));
  return {{"$bytes", std::move(text)}};
}

Json record(const char* name, Json fields) {
  return {{"$data", Json::array({std::string("headrace.collect.outcome:") + name, std::move(fields)})}};
}

Json exit_code(const std::optional<int>& code) {
  return code ? Json(*code) : Json(nullptr);
}

Json commands(const Outcome& outcome) {
  Json list = Json::array();
  for (const collect::CommandOutput& one : outcome.commands) {
    list.push_back(record("CommandOutput", {{"command", one.command},
                                            {"stdout", bytes(one.std_out)},
                                            {"stderr", bytes(one.std_err)},
                                            {"exit_code", exit_code(one.exit_code)}}));
  }
  return {{"$tuple", std::move(list)}};
}

Json headers(const Outcome& outcome) {
  constexpr std::array<std::string_view, 3> kLeftOut = {"date", "age", "set-cookie"};
  Json fields = Json::object();
  for (const auto& [name, value] : outcome.headers) {
    if (std::find(kLeftOut.begin(), kLeftOut.end(), name) != kLeftOut.end() || name[0] == '$') continue;
    Json& field = fields[name];
    field = field.is_string() ? field.get<std::string>() + ", " + value : value;
  }
  return fields;
}

Category category(ErrorType type) {
  switch (type) {
    case ErrorType::kUnreachable:
    case ErrorType::kTimeout:
    case ErrorType::kProtocol:
      return Category::kTransient;
    case ErrorType::kOutputLimit:
      return Category::kResource;
    case ErrorType::kHostKey:
    case ErrorType::kAuth:
      return Category::kConfiguration;
    default:
      return Category::kPermanent;
  }
}

}  // namespace

Value outcome_value(const Outcome& outcome, const nlohmann::json& target) {
  const Json value = record("Outcome", {{"target", Json::parse(to_text(target))},
                                        {"ok", outcome.ok},
                                        {"stdout", bytes(outcome.std_out)},
                                        {"stderr", bytes(outcome.std_err)},
                                        {"exit_code", exit_code(outcome.exit_code)},
                                        {"commands", commands(outcome)},
                                        {"headers", headers(outcome)}});
  return Value::json(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Fault outcome_fault(const Outcome& outcome) {
  Fault fault;
  fault.error_type = std::string(collect::error_type_name(outcome.error_type));
  fault.message = outcome.message;
  fault.category = category(outcome.error_type);
  fault.retryable = outcome.transient;
  // What is no address can't be reached at any other time either.
  if (outcome.error_type == ErrorType::kUnreachable && !outcome.transient)
    fault.category = Category::kConfiguration;
  fault.interrupted = outcome.error_type == ErrorType::kCancelled;
  return fault;
}

}  // namespace headrace::native
