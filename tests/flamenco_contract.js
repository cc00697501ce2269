// SPDX-License-Identifier: GPL-3.0-or-later
// Compiles a job as Flamenco's Manager does, with the globals that it gives to a script and no others:
//     node flamenco_contract.js SCRIPT '{"setting": value, …}'
// Prints {"job_type": …, "tasks": [{"name", "type", "commands": [{"name", "parameters"}]}]} as JSON.

const fs = require("fs");
const vm = require("vm");

class Task {
  constructor(name, type) {
    Object.assign(this, { name, type, commands: [], dependencies: [] });
  }
  addCommand(command) {
    this.commands.push(command);
  }
  addDependency(task) {
    this.dependencies.push(task.name);
  }
}

const tasks = [];
const author = {
  Task: (name, type) => new Task(name, type),
  Command: (name, parameters) => ({ name, parameters }),
};
const context = vm.createContext({ author, print: () => {} });
vm.runInContext(fs.readFileSync(process.argv[2], "utf8"), context, { timeout: 1000 });
context.job = {
  name: "a job",
  type: "syncscape-batch",
  settings: JSON.parse(process.argv[3]),
  metadata: {},
  addTask: (task) => tasks.push(task),
};
vm.runInContext("compileJob(job)", context, { timeout: 1000 });
const jobType = JSON.parse(vm.runInContext("JSON.stringify(JOB_TYPE)", context));
process.stdout.write(JSON.stringify({ job_type: jobType, tasks }));
