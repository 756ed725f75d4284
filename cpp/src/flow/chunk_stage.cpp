#include "headrace/flow/chunk_stage.h"

#include <chrono>
#include <utility>

#include "unit_value.h"

namespace headrace {

namespace {

/// Position in bytes of a code point, going on from an earlier one.
class Bytes {
 public:
  explicit Bytes(std::string_view utf8) : utf8_(utf8) {}
  std::size_t of(std::int64_t point) {
    if (point < point_) point_ = 0, at_ = 0;  // an overlap goes back
    for (; point_ < point; ++point_) {
      ++at_;
      while (at_ < utf8_.size() && (static_cast<unsigned char>(utf8_[at_]) & 0xC0) == 0x80) ++at_;
    }
    return at_;
  }

 private:
  std::string_view utf8_;
  std::int64_t point_ = 0;
  std::size_t at_ = 0;
};

}  // namespace

ChunkStage::ChunkStage(std::string name, std::string identity, std::shared_ptr<const text::Chunker> chunker,
                       std::string field)
    : Stage(std::move(name), Form::kFlatMap),
      identity_(std::move(identity)),
      chunker_(std::move(chunker)),
      field_(std::move(field)) {}

std::vector<Emitted> ChunkStage::chunks(const std::string& text) const {
  std::vector<Emitted> children;
  Bytes starts(text);
  Bytes ends(text);
  for (const text::Span& span : chunker_->chunk(std::string_view(text)).spans) {
    const std::size_t begin = starts.of(span.start);
    const nlohmann::json value = {
        {"text", text.substr(begin, ends.of(span.end) - begin)}, {"start", span.start}, {"end", span.end}};
    children.push_back({"\"" + std::to_string(children.size()) + "\"",
                        headrace::Value::json(native::to_text(value)), std::nullopt, nullptr});
  }
  return children;
}

void ChunkStage::run(const RunInfo&, Slice& slice) {
  for (std::size_t i = 0; i < slice.units.size(); ++i) {
    UnitResult& result = slice.results[i];
    const auto began = std::chrono::steady_clock::now();
    try {
      result.children = chunks(native::text_of(native::parse_value(slice.units[i].value), field_, "a text"));
    } catch (const ConfigurationError& error) {
      result.fault = native::configuration_fault(error.what());
    }
    const auto spent = std::chrono::steady_clock::now() - began;
    result.micros = std::chrono::duration_cast<std::chrono::microseconds>(spent).count();
  }
}

}  // namespace headrace
