#include "headrace/embed/hashed_embedder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <vector>

#include "headrace/base/error.h"
#include "idf_table.h"
#include "parallel.h"
#include "text_features.h"

namespace headrace::embed {
namespace {

constexpr int64_t kTextsAtOnce = 16;  // what a thread takes at a time

void check(bool holds, const char* message) {
  if (!holds) throw ConfigurationError(message);
}

void check(const HashedSettings& s) {
  check(s.dim >= 8 && s.dim <= 65536, "dim must be between 8 and 65536");
  check(s.word_ngrams >= 1 && s.word_ngrams <= 5, "word_ngrams must be between 1 and 5");
  check(s.max_char_ngram >= 0 && s.max_char_ngram <= 8, "char_ngrams must be at most 8 long");
  check(s.max_char_ngram == 0 || (s.min_char_ngram >= 1 && s.min_char_ngram <= s.max_char_ngram),
        "char_ngrams must be (shortest, longest) with 1 <= shortest <= longest");
  check(s.char_share >= 0 && s.char_share <= 1, "char_share must be between 0 and 1");
}

// Each feature goes to two columns with two signs: fewer accidents than one, dearer by little.
void project(uint64_t hash, float weight, std::span<float> columns) {
  const auto dim = static_cast<uint64_t>(columns.size());
  uint64_t mixed = hash * 0xD6E8FEB86659FD93ULL;
  mixed ^= mixed >> 32;
  columns[((mixed & 0x7FFFFFFF) * dim) >> 31] += (mixed >> 31) & 1 ? weight : -weight;
  mixed *= 0xD6E8FEB86659FD93ULL;
  mixed ^= mixed >> 32;
  columns[((mixed & 0x7FFFFFFF) * dim) >> 31] += (mixed >> 31) & 1 ? weight : -weight;
}

float sublinear(int64_t count) {
  static const std::array<float, 64> table = [] {
    std::array<float, 64> values{};
    for (size_t i = 1; i < values.size(); ++i)
      values[i] = static_cast<float>(1 + std::log(static_cast<double>(i)));
    return values;
  }();
  return count < 64 ? table[static_cast<size_t>(count)]
                    : static_cast<float>(1 + std::log(static_cast<double>(count)));
}

// Adds a group of features, scaled so that the group as a whole has length `share`.
void add_group(const std::vector<Feature>& features, const IdfTable& idf, double share,
               std::vector<float>& scratch, std::span<float> row) {
  std::fill(scratch.begin(), scratch.end(), 0.0F);
  double squares = 0;
  for (const Feature& feature : features) {
    const float weight = sublinear(feature.count) * idf.weight(feature.hash);
    squares += static_cast<double>(weight) * weight;
    project(feature.hash, weight, scratch);
  }
  if (squares == 0) return;
  const auto scale = static_cast<float>(share / std::sqrt(squares));
  for (size_t i = 0; i < row.size(); ++i) row[i] += scale * scratch[i];
}

void normalise(std::span<float> row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  if (squares == 0) return;
  const double scale = 1 / std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(value * scale);
}

void fill_row(TextFeatures& features, const HashedSettings& settings, const IdfTable& idf,
              std::string_view text, std::vector<float>& scratch, std::span<float> row) {
  features.read(text);
  const double share = settings.max_char_ngram > 0 ? settings.char_share : 0;
  std::fill(row.begin(), row.end(), 0.0F);
  add_group(features.words(), idf, 1 - share, scratch, row);
  if (share > 0) add_group(features.characters(), idf, share, scratch, row);
  normalise(row);
}

}  // namespace

HashedEmbedder::HashedEmbedder(const HashedSettings& settings)
    : settings_(settings), idf_(std::make_unique<IdfTable>()) {
  check(settings);
  name_model();
}

HashedEmbedder::~HashedEmbedder() = default;
HashedEmbedder::HashedEmbedder(HashedEmbedder&&) noexcept = default;
HashedEmbedder& HashedEmbedder::operator=(HashedEmbedder&&) noexcept = default;

int64_t HashedEmbedder::documents() const noexcept {
  return idf_->documents();
}

void HashedEmbedder::begin_fit() {
  next_idf_ = std::make_unique<IdfTable>();
}

void HashedEmbedder::add(std::span<const std::string_view> texts, int64_t threads) {
  if (!next_idf_) begin_fit();
  const auto count = static_cast<int64_t>(texts.size());
  const int64_t workers = thread_count(threads, count / kTextsAtOnce);
  std::vector<IdfTable> tables(static_cast<size_t>(workers));
  std::atomic<int64_t> next{0};
  run_workers(workers, [&](int64_t worker) {
    TextFeatures features(settings_);
    for (int64_t begin = next.fetch_add(kTextsAtOnce); begin < count; begin = next.fetch_add(kTextsAtOnce)) {
      for (int64_t i = begin; i < std::min(count, begin + kTextsAtOnce); ++i) {
        features.read(texts[static_cast<size_t>(i)]);
        tables[static_cast<size_t>(worker)].add_document(features);
      }
    }
  });
  for (const IdfTable& table : tables) next_idf_->merge(table);
}

void HashedEmbedder::end_fit() {
  if (!next_idf_) begin_fit();
  next_idf_->finish();
  idf_ = std::move(next_idf_);
  name_model();
}

Matrix HashedEmbedder::embed(std::span<const std::string_view> texts, int64_t threads) const {
  const auto count = static_cast<int64_t>(texts.size());
  Matrix rows(count, settings_.dim);
  std::atomic<int64_t> next{0};
  run_workers(thread_count(threads, count / kTextsAtOnce), [&](int64_t) {
    TextFeatures features(settings_);
    std::vector<float> scratch(static_cast<size_t>(settings_.dim));
    for (int64_t begin = next.fetch_add(kTextsAtOnce); begin < count; begin = next.fetch_add(kTextsAtOnce)) {
      for (int64_t i = begin; i < std::min(count, begin + kTextsAtOnce); ++i) {
        fill_row(features, settings_, *idf_, texts[static_cast<size_t>(i)], scratch, rows.row(i));
      }
    }
  });
  return rows;
}

void HashedEmbedder::embed_one(std::string_view text, float* row) const {
  TextFeatures features(settings_);
  std::vector<float> scratch(static_cast<size_t>(settings_.dim));
  fill_row(features, settings_, *idf_, text, scratch, {row, static_cast<size_t>(settings_.dim)});
}

void HashedEmbedder::count_tokens(std::span<const std::string_view> texts, int64_t* counts) const {
  WordList words;
  for (const std::string_view text : texts) {
    int64_t count = 0;
    for (std::string_view rest = text; !rest.empty();) {
      words.read(take_piece(rest));
      count += words.size();
    }
    *counts++ = count;
  }
}

}  // namespace headrace::embed
