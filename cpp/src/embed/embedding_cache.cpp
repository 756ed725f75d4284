#include "headrace/embed/embedding_cache.h"

#include <openssl/evp.h>

#include <array>

#include "headrace/base/error.h"

namespace headrace::embed {

std::string cache_key(std::string_view model_id, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), model_id.data(), model_id.size()) != 1 ||
      EVP_DigestUpdate(context.get(), "\0", 1) != 1 ||
      EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1) {
    throw ResourceError("SHA-256 isn't available from OpenSSL");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string key;
  for (unsigned i = 0; i < length; ++i) key.append({kDigits[digest[i] >> 4], kDigits[digest[i] & 15]});
  return key;
}

}  // namespace headrace::embed
