from acme_backend.backend import AcmeBackend
from wbmodel.hookspecs import hookimpl
from wbmodel.request import Send

said = []


@hookimpl
def wbmodel_register_backends(register):
    register("acme", AcmeBackend, schemes=("acme", "acme-tls"), wants=("api_key",))
    register("acme-cloud", AcmeBackend, requires=("cloud", ("acme_cloud_client",)))


@hookimpl
def wbmodel_register_wrappers(register):
    def noted(request, info):
        said.append(f"{info.backend} asked {request.operation_name}")
        return (yield Send(request))

    register("noted", noted)


@hookimpl
def wbmodel_register_lookups(register):
    register("near", lambda path, value: (path >= value - 0.1) & (path <= value + 0.1), "is within a tenth of")


@hookimpl
def wbmodel_register_commands(cli):
    cli.add("acme", lambda arguments: said.append("command"), help="say that acme is there")


@hookimpl
def wbmodel_session_closed(session):
    said.append(f"{session.name} closed")
