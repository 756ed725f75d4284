# Compiler settings that every target of the project shares, and the one way to add a module.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Relative to the checkout, so that a fresh clone finds what an older one has compiled; the bindings have a
  # precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
                                  CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Werror=return-type -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-restrict) # g++ bug 105651: "text" + std::to_string(n) is said to overlap itself
endif()
if(HEADRACE_SANITIZE)
  add_compile_options(-fsanitize=${HEADRACE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=${HEADRACE_SANITIZE})
endif()
if(HEADRACE_COVERAGE)
  add_compile_options(--coverage -O0 -g)
  add_link_options(--coverage)
endif()

# headrace_module(NAME LINK targets...): the static library headrace_NAME out of cpp/src/NAME/*.cpp.
# Sources are globbed so that no list can forget one.
function(headrace_module name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cpp/src/${name}/*.cpp)
  add_library(headrace_${name} STATIC ${sources})
  target_include_directories(headrace_${name}
    PUBLIC ${PROJECT_SOURCE_DIR}/cpp/include
    PRIVATE ${PROJECT_SOURCE_DIR}/cpp/src/${name})
  target_link_libraries(headrace_${name} PUBLIC ${ARG_LINK})
  if(HEADRACE_FAULTS)
    target_compile_definitions(headrace_${name} PRIVATE HEADRACE_FAULTS=1)
  endif()
endfunction()
