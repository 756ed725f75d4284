#include "collect_convert.h"
#include "headrace/collect/http.h"
#include "headrace/flow/collect_stage.h"

namespace {

using namespace headrace::collect;

HttpOptions make_options(const LimitsTuple& limits, std::string method,
                         std::vector<std::pair<std::string, std::string>> headers,
                         std::optional<std::string> body, double rate, int64_t burst, double max_retry_after,
                         std::string ca_file) {
  HttpOptions options;
  set_limits(options, limits);
  options.method = std::move(method);
  options.headers = std::move(headers);
  options.body = std::move(body);
  options.rate = rate;
  options.burst = burst;
  options.max_retry_after = max_retry_after;
  options.ca_file = std::move(ca_file);
  return options;
}

StreamHandle stream(const HttpCollector& self, std::vector<std::string> urls, int64_t capacity) {
  return StreamHandle(self.stream(std::move(urls), capacity));
}

std::shared_ptr<headrace::Stage> stage(std::string name, std::string identity, HttpOptions options) {
  return headrace::http_stage(std::move(name), std::move(identity), std::move(options));
}

}  // namespace

void bind_collect_http(py::module_& m) {
  py::class_<HttpOptions>(m, "HttpOptions", "How URLs are asked. Shows nothing.")
      .def(py::init(&make_options), py::kw_only(), py::arg("limits"), py::arg("method"), py::arg("headers"),
           py::arg("body"), py::arg("rate"), py::arg("burst"), py::arg("max_retry_after"),
           py::arg("ca_file"));
  py::class_<HttpCollector>(m, "HttpCollector", "Connections that are kept, and rate limits.")
      .def(py::init<HttpOptions>(), py::arg("options"))
      .def("stream", &stream, py::arg("urls"), py::arg("capacity"), "Ask all URLs.");
  m.def("http_stage", &stage, py::arg("name"), py::arg("identity"), py::arg("options"),
        "A stage that asks the URL that each item names.");
}
