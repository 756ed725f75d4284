#include "collect_convert.h"
#include "headrace/collect/ssh.h"
#include "headrace/flow/collect_stage.h"

namespace {

using namespace headrace::collect;

struct Login {
  std::string username;
  int port;
  std::vector<std::string> key_files;
  std::string passphrase;
  std::string agent_socket;
  std::optional<std::string> password;
  std::string known_hosts;
  bool accept_new;
};

SshOptions make_options(const LimitsTuple& limits, Login login, std::optional<std::string> input,
                        bool require_status, bool legacy, bool list_commands) {
  SshOptions options;
  set_limits(options, limits);
  options.username = std::move(login.username);
  options.port = login.port;
  options.key_files = std::move(login.key_files);
  options.passphrase = std::move(login.passphrase);
  options.agent_socket = std::move(login.agent_socket);
  options.password = std::move(login.password);
  options.known_hosts = std::move(login.known_hosts);
  options.accept_new = login.accept_new;
  options.input = std::move(input);
  options.require_status = require_status;
  options.legacy = legacy;
  options.list_commands = list_commands;
  return options;
}

// Both read keys and known hosts.
StreamHandle ssh(std::vector<std::string> hosts, std::vector<std::string> commands, SshOptions options,
                 int64_t capacity) {
  const py::gil_scoped_release release;
  return StreamHandle(
      SshCollector(std::move(options)).stream(std::move(hosts), std::move(commands), capacity));
}

std::shared_ptr<headrace::Stage> stage(std::string name, std::string identity,
                                       std::vector<std::string> commands, SshOptions options) {
  const py::gil_scoped_release release;
  return headrace::ssh_stage(std::move(name), std::move(identity), std::move(options), std::move(commands));
}

Login make_login(std::string username, int port, std::vector<std::string> key_files, std::string passphrase,
                 std::string agent_socket, std::optional<std::string> password, std::string known_hosts,
                 bool accept_new) {
  return {std::move(username),     port,
          std::move(key_files),    std::move(passphrase),
          std::move(agent_socket), std::move(password),
          std::move(known_hosts),  accept_new};
}

}  // namespace

void bind_collect_ssh(py::module_& m) {
  py::class_<Login>(m, "SshLogin", "Who logs in where, and whom to trust. Shows nothing.")
      .def(py::init(&make_login), py::kw_only(), py::arg("username"), py::arg("port"), py::arg("key_files"),
           py::arg("passphrase"), py::arg("agent_socket"), py::arg("password"), py::arg("known_hosts"),
           py::arg("accept_new"));
  py::class_<SshOptions>(m, "SshOptions", "How hosts are asked. Shows nothing.")
      .def(py::init(&make_options), py::kw_only(), py::arg("limits"), py::arg("login"), py::arg("input"),
           py::arg("require_status"), py::arg("legacy"), py::arg("list_commands"));
  m.def("collect_ssh", &ssh, py::arg("hosts"), py::arg("commands"), py::arg("options"), py::arg("capacity"),
        "Run commands on hosts.");
  m.def("ssh_stage", &stage, py::arg("name"), py::arg("identity"), py::arg("commands"), py::arg("options"),
        "A stage that runs commands on the host that each item names.");
}
