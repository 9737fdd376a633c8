# /// script
# dependencies = ["sqlalchemy<2"]
# ///
from sqlalchemy import Column, Integer, String, create_engine
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Price(Base):
    __tablename__ = "prices"
    id = Column(Integer, primary_key=True)
    name = Column(String)


engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all([Price(name="tea"), Price(name="rice")])
    session.commit()
    assert [price.name for price in session.query(Price).order_by(Price.name)] == ["rice", "tea"]
