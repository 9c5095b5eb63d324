def test_x(lab_database, old_layout):
    old_layout()
    print(lab_database.sql("show tables"))
def test_y(relay, lab_database):
    import pymysql
    r = relay(lab_database.host, lab_database.port)
    with pymysql.connect(host=r.host, port=r.port, user="dummy", password="dummy", database=lab_database.name) as c:
        with c.cursor() as cu:
            cu.execute("select 1")
            print(cu.fetchall(), r.passed)
    r.cut(); 
    import pytest
    with pytest.raises(ConnectionRefusedError):
        import socket
        socket.create_connection((r.host,r.port))
    r.mend()
    with pymysql.connect(host=r.host, port=r.port, user="dummy", password="dummy", database=lab_database.name) as c: pass
