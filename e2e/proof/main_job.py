"""The main job through the client that openapi-python-client generates: register, back up, list, schedule.

Arguments: the service's URL, a server's engine, host, port and user name. PASSWORD in the environment is the user's, API_TOKEN a token where
the service wants one: others can read arguments.
"""

import os
import sys
import time

from holdfast_client import AuthenticatedClient, Client
from holdfast_client.api.backups import backup_create, backup_get, backup_list
from holdfast_client.api.datastores import datastore_create, datastore_list
from holdfast_client.api.schedules import schedule_create, schedule_list
from holdfast_client.models import BackupCreate, DatastoreCreate, Engine, JobStatus, Problem, ScheduleCreate

PATIENCE_SECONDS = 90


def expect(kind, answer):
    if not isinstance(answer, kind):
        sys.exit(f"expected {kind.__name__}, got {answer!r}")
    return answer


def main():
    url, engine, host, port, username = sys.argv[1:]
    password, token = os.environ["PASSWORD"], os.environ.get("API_TOKEN")
    client = AuthenticatedClient(base_url=url, token=token) if token else Client(base_url=url)

    draft = DatastoreCreate(
        name="from Python", engine=Engine(engine), host=host, port=int(port), username=username, password=password
    )
    datastore = datastore_create.sync(client=client, body=draft)
    if isinstance(datastore, Problem) or datastore is None:
        sys.exit(f"not registered: {datastore!r}")
    listed = datastore_list.sync(client=client)
    assert [one.name for one in listed.items] == ["from Python"], listed

    backup = backup_create.sync(datastore.id, client=client, body=BackupCreate())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while backup.status not in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        assert time.monotonic() < deadline, backup
        time.sleep(0.1)
        backup = backup_get.sync(backup.id, client=client)
    assert backup.status == JobStatus.COMPLETED, backup
    backups = backup_list.sync(datastore.id, client=client, status=JobStatus.COMPLETED)
    assert [one.id for one in backups.items] == [backup.id] and backups.items[0].size_bytes > 0, backups

    wanted = ScheduleCreate(recurrence="TZ=Europe/Berlin 30 4 * * *")
    schedule = schedule_create.sync(datastore.id, client=client, body=wanted)
    schedules = schedule_list.sync(datastore.id, client=client)
    assert schedule.id in [one.id for one in schedules.items], schedules
    assert schedule.next_run_at > schedule.created_at, schedule

    refused = datastore_create.sync(client=client, body=draft)
    assert isinstance(refused, Problem) and refused.code.value == "name_taken", refused
    print(f"backup {backup.number} of {backup.size_bytes} bytes")


main()
