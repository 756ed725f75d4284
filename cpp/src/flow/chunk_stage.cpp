#include "headrace/flow/chunk_stage.h"

#include <chrono>
#include <utility>

#include "unit_value.h"

namespace headrace {

namespace {

/// From code points to bytes, going on from where it was.
class Cursor {
 public:
  explicit Cursor(std::string_view utf8) : utf8_(utf8) {}
  std::size_t byte(std::int64_t point) {
    if (point < point_) point_ = 0, at_ = 0;
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

std::vector<std::string> titles_of(const text::ChunkList& list, const std::string& text) {
  std::vector<std::string> titles;
  Cursor cursor(text);
  for (const text::Heading& heading : list.headings) {
    const std::size_t begin = cursor.byte(heading.title.start);
    titles.push_back(text.substr(begin, cursor.byte(heading.title.end) - begin));
  }
  return titles;
}

/// The headings that one stands under, and itself, from the outermost on.
std::vector<std::string> path_to(const text::ChunkList& list, std::int64_t heading,
                                 const std::vector<std::string>& titles) {
  std::vector<std::string> path;
  for (; heading >= 0; heading = list.headings[static_cast<std::size_t>(heading)].parent)
    path.insert(path.begin(), titles[static_cast<std::size_t>(heading)]);
  return path;
}

}  // namespace

ChunkStage::ChunkStage(std::string name, std::string identity, std::shared_ptr<const text::Chunker> chunker,
                       std::string field)
    : Stage(std::move(name), Form::kFlatMap),
      identity_(std::move(identity)),
      chunker_(std::move(chunker)),
      field_(std::move(field)) {}

std::vector<Emitted> ChunkStage::chunks(const std::string& text) const {
  const text::ChunkList list = chunker_->chunk(std::string_view(text));
  const std::vector<std::string> titles = titles_of(list, text);
  std::vector<Emitted> children;
  Cursor starts(text);
  Cursor ends(text);
  for (std::size_t i = 0; i < list.spans.size(); ++i) {
    const text::Span& span = list.spans[i];
    const std::size_t begin = starts.byte(span.start);
    nlohmann::json value = {
        {"text", text.substr(begin, ends.byte(span.end) - begin)}, {"start", span.start}, {"end", span.end}};
    if (!list.notes.empty()) value["heading_path"] = path_to(list, list.notes[i].heading, titles);
    children.push_back({native::to_text(std::to_string(i)), headrace::Value::json(native::to_text(value)),
                        std::nullopt, nullptr});
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
