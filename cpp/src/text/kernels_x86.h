#pragma once

#include "kernels.h"

#if defined(__x86_64__)
#define HEADRACE_X86 1
namespace headrace::text {
extern const Kernels<uint8_t> kSse2Latin1;
extern const Kernels<uint16_t> kSse2Ucs2;
extern const Kernels<uint32_t> kSse2Ucs4;
extern const Kernels<uint8_t> kAvx2Latin1;
extern const Kernels<uint16_t> kAvx2Ucs2;
extern const Kernels<uint32_t> kAvx2Ucs4;
}  // namespace headrace::text
#endif
