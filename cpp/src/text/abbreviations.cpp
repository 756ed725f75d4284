#include "abbreviations.h"

#include <algorithm>
#include <array>

namespace headrace::text {

namespace {

using namespace std::string_view_literals;

// Portuguese and English, sorted. Words that often end a sentence (etc, ltda, inc, co) are left out: where a
// sentence goes on after them with a lower case letter, UAX #29 sees that by itself.
constexpr std::array kAbbreviations = {
    "adm"sv,  "al"sv,    "alm"sv,   "apart"sv, "approx"sv, "aprox"sv, "apt"sv,  "apto"sv,   "art"sv, "arts"sv,
    "av"sv,   "ave"sv,   "bel"sv,   "blvd"sv,  "brig"sv,   "cap"sv,   "caps"sv, "capt"sv,   "cel"sv, "cf"sv,
    "cmdr"sv, "col"sv,   "cons"sv,  "coord"sv, "dep"sv,    "des"sv,   "dna"sv,  "dr"sv,     "dra"sv, "dras"sv,
    "drs"sv,  "eds"sv,   "eg"sv,    "eng"sv,   "enga"sv,   "eq"sv,    "eqs"sv,  "esq"sv,    "est"sv, "ex"sv,
    "exma"sv, "exmo"sv,  "fig"sv,   "figs"sv,  "fl"sv,     "fls"sv,   "fr"sv,   "gen"sv,    "gov"sv, "hon"sv,
    "ie"sv,   "ilma"sv,  "ilmo"sv,  "jr"sv,    "lt"sv,     "ltcol"sv, "maj"sv,  "messrs"sv, "min"sv, "mlle"sv,
    "mme"sv,  "mr"sv,    "mrs"sv,   "ms"sv,    "mt"sv,     "nos"sv,   "nr"sv,   "num"sv,    "obs"sv, "op"sv,
    "org"sv,  "orgs"sv,  "pag"sv,   "pags"sv,  "pe"sv,     "pg"sv,    "pgs"sv,  "ph"sv,     "pp"sv,  "pres"sv,
    "prof"sv, "profa"sv, "profs"sv, "pt"sv,    "rep"sv,    "reps"sv,  "rev"sv,  "rod"sv,    "sec"sv, "secs"sv,
    "sen"sv,  "sens"sv,  "sgt"sv,   "sr"sv,    "sra"sv,    "sras"sv,  "srs"sv,  "srta"sv,   "st"sv,  "sta"sv,
    "ste"sv,  "sto"sv,   "tel"sv,   "ten"sv,   "trad"sv,   "trav"sv,  "v"sv,    "viz"sv,    "vol"sv, "vols"sv,
    "vs"sv,
};
static_assert(std::is_sorted(kAbbreviations.begin(), kAbbreviations.end()));

}  // namespace

bool is_abbreviation(std::string_view word) {
  return std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), word);
}

}  // namespace headrace::text
