#include <array>

#include "headrace/embed/batch_model.h"

namespace headrace::embed {
namespace {

// What a byte adds to the count, in eighths of a token; fitted to BERT's WordPiece over eight languages. A
// word is a token, and its letters from the eighth on are a quarter each: rare words are long, and cut into
// pieces.
enum class Kind : uint8_t { kLetter, kDigit, kPunctuation, kBlank, kAccented, kAlphabet, kWide, kTail };
constexpr int64_t kToken = 8;
constexpr int64_t kLongWord = 7;

constexpr Kind kind_of(int byte) {
  if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) return Kind::kLetter;
  if (byte >= '0' && byte <= '9') return Kind::kDigit;
  if (byte <= ' ' || byte == 0x7F) return Kind::kBlank;
  if (byte < 0x80) return Kind::kPunctuation;
  if (byte < 0xC0) return Kind::kTail;
  if (byte < 0xCA) return Kind::kAccented;  // Latin letters with accents
  return byte < 0xE0 ? Kind::kAlphabet : Kind::kWide;
}

constexpr std::array<Kind, 256> kKinds = [] {
  std::array<Kind, 256> kinds{};
  for (int byte = 0; byte < 256; ++byte) kinds[static_cast<size_t>(byte)] = kind_of(byte);
  return kinds;
}();

}  // namespace

int64_t estimate_tokens(std::string_view text) noexcept {
  int64_t eighths = 2 * kToken;  // the special tokens at both ends
  int64_t letters = 0;           // of the word so far
  Kind last = Kind::kBlank;
  for (const char character : text) {
    const Kind kind = kKinds[static_cast<unsigned char>(character)];
    if (kind == Kind::kTail) continue;
    const bool in_word = kind == Kind::kLetter || kind == Kind::kAccented;
    letters = in_word ? letters + 1 : 0;
    if (letters == 1) eighths += kToken;
    if (letters > kLongWord) eighths += kToken / 4;
    if (kind == Kind::kAccented) eighths += kToken;
    if (kind == Kind::kDigit) eighths += last == Kind::kDigit ? 3 : 7;
    if (kind == Kind::kPunctuation) eighths += kToken + 2;
    if (kind == Kind::kAlphabet) eighths += 6;
    if (kind == Kind::kWide) eighths += kToken;
    last = kind;
  }
  return eighths / kToken;
}

}  // namespace headrace::embed
