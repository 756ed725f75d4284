#include "headrace/base/error.h"

namespace headrace {

const char* category_name(Category category) noexcept {
  switch (category) {
    case Category::kTransient:
      return "transient";
    case Category::kPermanent:
      return "permanent";
    case Category::kResource:
      return "resource";
    case Category::kConfiguration:
      return "configuration";
    case Category::kCode:
      return "code";
  }
  return "permanent";
}

}  // namespace headrace
