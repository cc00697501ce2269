// SPDX-License-Identifier: GPL-3.0-or-later
// Job type for Flamenco 3 (https://flamenco.blender.org/usage/job-types/): a file of Syncscape jobs.
// Copy this file into the folder "scripts" beside the Flamenco Manager's program.
//
// Every task runs the same command on the same file and the same shared folder. Which worker makes which
// environment is settled there, one by one, so a worker that is slow or dies leaves nothing undone, and a task that
// Flamenco starts again goes on where it stopped.

const JOB_TYPE = {
  label: "Syncscape Batch",
  description: "Make the environments of a file of jobs, each once",
  settings: [
    {
      key: "jobs",
      type: "string",
      subtype: "file_path",
      required: true,
      description: "File of jobs (.jsonl, .csv or .toml) on the shared storage",
    },
    {
      key: "out",
      type: "string",
      subtype: "dir_path",
      required: true,
      description: "Folder of the results on the shared storage; it becomes a Syncscape library",
    },
    {
      key: "tasks",
      type: "int32",
      default: 4,
      propargs: { min: 1, max: 1000 },
      description: "How many workers may make environments at the same time",
    },
    {
      key: "workers_per_task",
      type: "int32",
      default: 1,
      propargs: { min: 1, max: 64 },
      description: "Processes on each worker, such as one a GPU",
    },
    {
      key: "python",
      type: "string",
      default: "{syncscape-python}",
      description: "The engine's Python; by default Flamenco's two-way variable syncscape-python",
      visible: "submission",
    },
    {
      key: "engine",
      type: "string",
      default: "{syncscape-engine}",
      description: "Folder that contains sync_engine; by default Flamenco's variable syncscape-engine",
      visible: "submission",
    },
  ],
};

function compileJob(job) {
  const settings = job.settings;
  for (let number = 1; number <= settings.tasks; number++) {
    const task = author.Task(`environments-${number}`, "misc");
    task.addCommand(
      author.Command("exec", { exe: settings.python, args: batchArguments(settings) }),
    );
    job.addTask(task);
  }
}

// A command of Flamenco sets no environment variables, so Python is told where the engine's code is.
const RUN_ENGINE =
  "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); " +
  "runpy.run_module('sync_engine', run_name='__main__', alter_sys=True)";

function batchArguments(settings) {
  const args = ["-c", RUN_ENGINE, settings.engine, "batch", settings.jobs, "--out", settings.out];
  if (settings.workers_per_task > 1) {
    args.push("--workers", `${settings.workers_per_task}`);
  }
  return args;
}
