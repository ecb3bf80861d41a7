#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <ranges>
#include <set>

#include "commands.h"
#include "exit_code.h"
#include "options.h"
#include "probes/all_probes.h"

/// Scripts for the completion of bash, zsh and fish, made from the definitions of the commands.
namespace ipcdoctor::cmd {
namespace {

/// What may follow an option, or stand where a positional does.
enum class Values { Nothing, Choices, Pids, Files, Commands, Anything };

struct Argument {
  std::string name;  ///< "--format", "-v"; of a positional "PID"
  std::string description{};
  Values values = Values::Nothing;
  std::vector<std::string> choices{};
};

struct Verb {
  std::string name;
  std::string description;
  std::vector<Argument> options{};
  std::vector<Argument> positionals{};
};

std::vector<std::string> classes() {
  std::vector<std::string> slugs;
  for (const diagnosis::Probe* probe : probes::probes_by_code()) slugs.push_back(probe->slug);
  return slugs;
}

/// "WHEN:{never,auto}" -> never, auto
std::vector<std::string> choices_in(std::string_view type) {
  const auto open = type.find('{');
  const auto close = type.rfind('}');
  std::vector<std::string> choices;
  if (open == std::string_view::npos || close == std::string_view::npos) return choices;
  for (const auto word : type.substr(open + 1, close - open - 1) | std::views::split(','))
    choices.emplace_back(word.begin(), word.end());
  return choices;
}

Argument argument_of(const CLI::Option& option, std::string name) {
  Argument argument{std::move(name), option.get_description()};
  if (!option.get_positional() && option.get_items_expected_max() == 0) return argument;
  const std::string type = option.get_type_name();
  const std::string& key = option.get_positional() ? argument.name : type;
  argument.values = Values::Anything;
  if (key == "CLASS") {
    argument.choices = classes();
  } else {
    argument.choices = choices_in(type);
  }
  if (!argument.choices.empty()) {
    argument.values = Values::Choices;
  } else if (key.starts_with("PID")) {
    argument.values = Values::Pids;
  } else if (key == "COMMAND") {
    argument.values = Values::Commands;
  } else if (key.find("FILE") != std::string::npos) {
    argument.values = Values::Files;
  }
  return argument;
}

Verb verb_of(const CLI::App& command) {
  Verb verb{command.get_name(), command.get_description()};
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional())
      verb.positionals.push_back(argument_of(*option, option->get_name(true)));
    for (const std::string& name : option->get_lnames())
      verb.options.push_back(argument_of(*option, "--" + name));
    for (const std::string& name : option->get_snames())
      verb.options.push_back(argument_of(*option, "-" + name));
  }
  return verb;
}

std::vector<Verb> verbs_of(const CLI::App& app) {
  std::vector<Verb> verbs;
  for (const CLI::App* command : app.get_subcommands({})) verbs.push_back(verb_of(*command));
  for (Verb& verb : verbs) {
    if (verb.name != "help") continue;
    verb.positionals[0].values = Values::Choices;
    for (const Verb& other : verbs) verb.positionals[0].choices.push_back(other.name);
  }
  return verbs;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

template <class Named>
std::string names_of(const std::vector<Named>& all) {
  std::vector<std::string> names;
  for (const Named& one : all) names.push_back(one.name);
  return joined(names);
}

/// Text inside of '...'; `special` are the characters that need a backslash there.
std::string quoted(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// ---- bash

std::string bash_values(const Argument& argument) {
  switch (argument.values) {
    case Values::Choices:
      return "words='" + joined(argument.choices) + "'";
    case Values::Pids:
      return "words=$(cd /proc && echo [0-9]*)";
    case Values::Files:
      return "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Values::Commands:
      return "COMPREPLY=($(compgen -c -- \"$cur\"))";
    default:
      return ":";
  }
}

void write_bash(std::ostream& out, const CLI::App& app) {
  const std::vector<Verb> verbs = verbs_of(app);
  out << "# bash completion of ipcdoctor; made by `ipcdoctor completion bash`\n"
         "_ipcdoctor() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words= i\n"
         "  [[ $cur != = ]] || cur=\n"  // --format=json is three words
         "  [[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "  if ((COMP_CWORD == 1)); then\n    words='"
      << names_of(verbs) << ' ' << names_of(verb_of(app).options) << "'\n  else\n"
      << "    for ((i = 2; i < COMP_CWORD; ++i)); do\n"
         "      [[ ${COMP_WORDS[i]} == -- ]] || continue\n"
         "      declare -F _command_offset >/dev/null && { _command_offset $((i + 1)); return; }\n"
         "      ((COMP_CWORD == i + 1)) && COMPREPLY=($(compgen -c -- \"$cur\")) ||\n"
         "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "      return\n    done\n"
         "    case \"${COMP_WORDS[1]} $prev\" in\n";
  for (const Verb& verb : verbs) {
    for (const Argument& option : verb.options) {
      if (option.values == Values::Nothing) continue;
      out << "      '" << verb.name << ' ' << option.name << "') " << bash_values(option)
          << " ;;\n";
    }
  }
  out << "      *)\n        case \"${COMP_WORDS[1]} $cur\" in\n";
  for (const Verb& verb : verbs) {
    out << "          '" << verb.name << " -'*) words='" << names_of(verb.options) << "' ;;\n";
    for (const Argument& positional : verb.positionals)
      out << "          '" << verb.name << " '*) " << bash_values(positional) << " ;;\n";
  }
  out << "        esac\n        ;;\n    esac\n  fi\n"
         "  [[ -z $words ]] || COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}\n"
         "complete -F _ipcdoctor ipcdoctor\n";
}

// ---- zsh

std::string zsh_values(const Argument& argument) {
  switch (argument.values) {
    case Values::Choices:
      return "(" + joined(argument.choices) + ")";
    case Values::Pids:
      return "_pids";
    case Values::Files:
      return "_files";
    case Values::Commands:
      return "_command_names -e";
    default:
      return " ";
  }
}

void write_zsh(std::ostream& out, const CLI::App& app) {
  const std::vector<Verb> verbs = verbs_of(app);
  out << "#compdef ipcdoctor\n# made by `ipcdoctor completion zsh`\n"
         "_ipcdoctor_command() {\n"
         "  [[ $words[1] != -- ]] || { shift words; ((CURRENT--)) }\n"
         "  ((CURRENT == 1)) && _command_names -e || _normal\n"
         "}\n"
         "_ipcdoctor() {\n"
         "  local curcontext=$curcontext state line\n"
         "  local -a verbs=(\n";  // not "commands", which are all that there are in zsh
  for (const Verb& verb : verbs)
    out << "    '" << verb.name << ':' << quoted(verb.description, ":") << "'\n";
  out << "  )\n"
         "  _arguments -C ";
  for (const Argument& option : verb_of(app).options)
    out << "'" << option.name << "[" << quoted(option.description, "[]:") << "]' ";
  out << "'1: :->command' '*:: :->rest'\n"
         "  case $state in\n"
         "    command) _describe command verbs ;;\n"
         "    rest)\n      case $line[1] in\n";
  for (const Verb& verb : verbs) {
    // what follows -- or the first word of a command is the command's own
    const bool runs = std::ranges::any_of(
        verb.positionals, [](const Argument& a) { return a.values == Values::Commands; });
    out << "        " << verb.name << ") _arguments -s -S" << (runs ? " -A '-*'" : "");
    for (const Argument& option : verb.options) {
      const bool takes_equals = option.values != Values::Nothing && option.name.starts_with("--");
      out << " \\\n          '" << option.name << (takes_equals ? "=" : "") << "["
          << quoted(option.description, "[]:") << "]";
      if (option.values != Values::Nothing) out << ": :" << zsh_values(option);
      out << "'";
    }
    for (const Argument& positional : verb.positionals) {
      const bool command = positional.values == Values::Commands;
      out << " \\\n          '" << (command ? "*::" : "*:") << quoted(positional.name, ":") << ':'
          << (command ? "_ipcdoctor_command" : zsh_values(positional)) << "'";
    }
    out << " ;;\n";
  }
  out << "      esac ;;\n  esac\n}\n"
         "[[ $funcstack[1] == _ipcdoctor ]] && _ipcdoctor \"$@\" || compdef _ipcdoctor ipcdoctor\n";
}

// ---- fish

std::string fish_values(const Argument& argument) {
  switch (argument.values) {
    case Values::Nothing:
      return "";
    case Values::Choices:
      return " -x -a '" + joined(argument.choices) + "'";
    case Values::Pids:
      return " -x -a '(__fish_complete_pids)'";
    case Values::Commands:
      return " -x -a '(__ipcdoctor_command)'";
    case Values::Files:
      return " -r -F";
    case Values::Anything:
      return " -x";
  }
  return "";
}

void write_fish(std::ostream& out, const CLI::App& app) {
  const std::vector<Verb> verbs = verbs_of(app);
  const auto write_option = [&](const std::string& condition, const Argument& option) {
    out << "complete -c ipcdoctor -n '" << condition << "'"
        << (option.name.starts_with("--") ? " -l " + option.name.substr(2)
                                          : " -s " + option.name.substr(1))
        << fish_values(option) << " -d '" << quoted(option.description, "\\") << "'\n";
  };
  out << "# fish completion of ipcdoctor; made by `ipcdoctor completion fish`\n"
         "function __ipcdoctor_command\n"
         "    set -l words (commandline -opc) (commandline -ct)\n"
         "    if set -l i (contains -i -- -- $words)\n"
         "        complete -C (string join ' ' -- $words[(math $i + 1)..])\n"
         "    else\n"
         "        __fish_complete_subcommand --fcs-skip=2\n"
         "    end\n"
         "end\n"
         "complete -c ipcdoctor -f\n";
  for (const Argument& option : verb_of(app).options) write_option("__fish_use_subcommand", option);
  for (const Verb& verb : verbs) {
    out << "complete -c ipcdoctor -n __fish_use_subcommand -a " << verb.name << " -d '"
        << quoted(verb.description, "\\") << "'\n";
    const std::string chosen = "__fish_seen_subcommand_from " + verb.name;
    for (const Argument& option : verb.options) write_option(chosen, option);
    for (const Argument& positional : verb.positionals) {
      out << "complete -c ipcdoctor -n '" << chosen << "'" << fish_values(positional) << '\n';
    }
  }
}

using Write = void (*)(std::ostream&, const CLI::App&);
const std::map<std::string, Write> kShells = {
    {"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

}  // namespace

void add_completion(CLI::App& app, Command& command) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion_command =
      app.add_subcommand("completion", "print the completion script of a shell");
  completion_command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(one_of({std::views::keys(kShells).begin(), std::views::keys(kShells).end()}));
  completion_command->footer(
      "\nExample: ipcdoctor completion bash >/etc/bash_completion.d/ipcdoctor\n"
      "         ipcdoctor completion fish >~/.config/fish/completions/ipcdoctor.fish");
  completion_command->callback([&app, shell, &command] {
    command = [&app, shell] {
      kShells.at (*shell)(std::cout, app);
      return kNoFinding;
    };
  });
}

}  // namespace ipcdoctor::cmd
